import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { missing } from '../../../helper/contract/known.ts'
import { kernelFeatureSchema } from '../../contract/diagnosis.ts'
import { featureFacts, kernelFeatures } from './features.ts'

const known = (text: string): { value: string } => ({ value: text })
const machine = (change: Partial<Evidence>): Evidence => ({
  kernelVersion: [6, 12], config: { value: {} }, mm: {}, sysctl: {}, meminfo: {}, swapDevices: [], zram: [], cgroups: { value: [] },
  pressure: { memory: missing('not-supported'), io: missing('not-supported'), cpu: missing('not-supported') }, ...change,
}) as unknown as Evidence
const state = (id: string, change: Partial<Evidence>): string => kernelFeatures(machine(change)).find((feature) => feature.id === id)?.state ?? 'no such feature'

describe('kernel features', () => {
  test('what is seen outweighs version and option: distributions carry features back', () => {
    const advisor = { '/sys/kernel/mm/ksm/advisor_mode': known('none [scan-time]') }
    expect(state('ksm.advisor', { kernelVersion: [5, 14], mm: advisor })).toBe('here')
    expect(state('ksm.advisor', { mm: { '/sys/kernel/mm/ksm/advisor_mode': known('[none] scan-time') } })).toBe('off')
    expect(state('mglru', { mm: { '/sys/kernel/mm/lru_gen/enabled': known('0x0000') } })).toBe('off')
    expect(state('mglru', { mm: { '/sys/kernel/mm/lru_gen/enabled': known('0x0007') } })).toBe('here')
  })

  test('else the version, then the option, then what else it needs', () => {
    expect(state('cachestat', { kernelVersion: [6, 4] })).toBe('too-old')
    expect(state('cachestat', { kernelVersion: [6, 5] })).toBe('not-built')
    expect(state('cachestat', { kernelVersion: [6, 5], config: { value: { CONFIG_CACHESTAT_SYSCALL: 'y' } } })).toBe('here')
    expect(state('cachestat', { kernelVersion: [6, 5], config: missing('not-permitted') })).toBe('unknown')
    expect(state('pidfd', { kernelVersion: [5, 3], config: missing('not-permitted') })).toBe('here')
    const memcg = { config: { value: { CONFIG_MEMCG: 'y' } } }
    expect(state('memory.reclaim', { kernelVersion: [5, 18], ...memcg })).toBe('too-old')
    expect(state('memory.reclaim', { kernelVersion: [5, 19], ...memcg })).toBe('here')
    expect(state('memory.reclaim', { ...memcg, cgroups: missing('not-supported', 'cgroup v1') })).toBe('off')
    expect(state('psi', { config: { value: { CONFIG_PSI: 'y' } } })).toBe('off')
  })

  test('each is told in the shape of the contract, once, with later changes in order', () => {
    const features = kernelFeatures(machine({}))
    expect(kernelFeatureSchema.array().parse(features)).toHaveLength(new Set(features.map(({ id }) => id)).size)
    const number = (version: string): number => Number(version.split('.')[0]) * 1000 + Number(version.split('.')[1])
    for (const { id, since, changes, checked } of featureFacts) {
      const versions = [since, ...changes.map((change) => change.version)].map(number)
      expect(versions.toSorted((a, b) => a - b), id).toEqual(versions)
      expect([since, ...changes.map((change) => change.version)], id).toEqual(expect.arrayContaining([...checked]))
    }
  })

  test('docs/diagnosis.md tells the same', () => {
    const said = (version: string, checked: readonly string[]): string => (checked.includes(version) ? `${version} ✓` : version)
    const rows = featureFacts.map(({ id, since, changes, option, instead, source, checked }) =>
      `| \`${id}\` | ${said(since, checked)} | ${changes.map(({ version, what }) => `${said(version, checked)}: ${what}`).join('; ')} | ${option === null ? '' : `\`${option}\``} | ${instead} | <${source}> |`)
    expect(readFileSync(new URL('../../../docs/diagnosis.md', import.meta.url), 'utf8')).toContain(`${rows.join('\n')}\n`)
  })
})
