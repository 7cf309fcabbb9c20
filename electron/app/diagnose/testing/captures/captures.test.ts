import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { evidenceSchema, type Evidence } from '../../../../../helper/contract/evidence.ts'
import { judge } from '../../engine.ts'
import type { Looks } from '../../rule.ts'
import { rules } from '../../rules/all.ts'
import { patchBetween, patched, type Patch } from './patch.ts'

type Expected = Readonly<Record<string, readonly string[]>>

/** What must be found first, then what goes with it. */
const EXPECTED: Expected = {
  'compressed-twice': ['swap.compressed-twice'],
  'disk-first': ['hardening.swap-plain', 'swap.order'],
  'disk-only': ['hardening.swap-plain', 'swap.only-disk'],
  'hugetlb-left': ['huge-pages.reserved-unused'],
  incompressible: ['swap.poor-compression'],
  ksmtuned: ['rivals.ksmtuned'],
  'leaking-process': ['leaks.process-grows'],
  'locked-memory': ['virtual-memory.locked'],
  'low-addresses': ['hardening.low-addresses'],
  'memfd-hoarder': ['memory-files.memfd'],
  'no-aslr': ['hardening.aslr'],
  'no-swap': ['swap.none'],
  'page-faults': ['virtual-memory.minor-faults'],
  promised: ['virtual-memory.promised'],
  refaults: ['pressure.refaults'],
  'reserve-too-large': ['pressure.reserve-too-large'],
  'several-killers': ['rivals.several-killers'],
  'slow-compressor': ['swap.slow-compressor'],
  'swap-full': ['swap.nearly-full', 'hardening.swap-plain'],
  swappiness: ['swap.swappiness-low'],
  swapspace: ['rivals.swapspace'],
  thrashing: ['pressure.thrashing', 'virtual-memory.major-faults'],
  'tmpfs-full': ['memory-files.nearly-full'],
  'tmpfs-hoarder': ['memory-files.tmpfs'],
  tuned: ['rivals.tuned'],
  zombies: ['agents.zombies'],
  'zram-too-large': ['swap.zram-too-large'],
  'zswap-pool-full': ['swap.zswap-pool-full', 'hardening.swap-plain'],
  'zswap-without-swap': ['swap.none', 'swap.zswap-without-swap'],
}

/** The same, made in a virtual machine of 1.4 GB by `npm run e2e:conditions`; see keep.ts. */
const IN_GUEST: Expected = {
  'cgroup-oom': ['cgroups.oom-kill', 'cgroups.at-max'],
  'direct-reclaim-stalls': ['pressure.direct-reclaim', 'pressure.stalled', 'pressure.low-available', 'pressure.kswapd-cpu', 'swap.page-cluster'],
  'fragmented-memory': ['fragmentation.no-large-blocks'],
  'ksm-without-candidates': ['ksm.nothing-offered'],
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8'))

describe.each([['', EXPECTED], ['guest/', IN_GUEST]] as const)('conditions that were really made: %s', (folder, all) => {
  const expected: Expected = all
  const quiet = evidenceSchema.parse(read(`${folder}quiet`))
  const looksOf = (name: string): Looks => {
    const [first, ...rest] = (read(`${folder}${name}`) as Patch[]).map((patch): Evidence => evidenceSchema.parse(patched(quiet, patch)))
    return [first ?? quiet, ...rest]
  }

  test.each(Object.entries(expected))('%s', (name, found) => {
    expect(judge(rules, looksOf(name)).findings.map((finding) => finding.rule)).toEqual(found)
  })

  test('nothing is found on the machine when it is quiet', () => {
    expect(judge(rules, [quiet]).findings).toEqual([])
  })

  test('every capture is looked at', () => {
    const files = readdirSync(new URL(`./${folder}`, import.meta.url)).flatMap((name) => (name.endsWith('.json') && name !== 'quiet.json' ? [name.slice(0, -5)] : []))
    expect(files.toSorted()).toEqual(Object.keys(expected).toSorted())
  })

  test('a look and its difference from another make the same look again', () => {
    for (const name of Object.keys(expected)) for (const look of looksOf(name)) expect(evidenceSchema.parse(patched(quiet, patchBetween(quiet, look)))).toEqual(look)
  })

  test('nobody\'s names or folders are in them', () => {
    for (const name of ['quiet', ...Object.keys(expected)]) expect(JSON.stringify(read(`${folder}${name}`)), name).not.toMatch(/\/home\/|\/root\/|\/tmp\/|\/work\/|claude|token|secret|sandbox|model_/iu)
  })
})

/** These look for a service by its name; the capture has a copy of `sleep` called so (take.ts), not the service. */
const BY_NAME_ALONE = ['rivals.ksmtuned', 'rivals.several-killers', 'rivals.swapspace', 'rivals.tuned']

/** These fired on what the kernel itself was in: memory held, locked, given back, settings set, devices made. */
const REALLY_MADE = [
  'agents.zombies',
  'cgroups.at-max', 'cgroups.oom-kill',
  'fragmentation.no-large-blocks',
  'hardening.aslr', 'hardening.low-addresses', 'hardening.swap-plain',
  'huge-pages.reserved-unused',
  'ksm.nothing-offered',
  'leaks.process-grows',
  'memory-files.memfd', 'memory-files.nearly-full', 'memory-files.tmpfs',
  'pressure.direct-reclaim', 'pressure.kswapd-cpu', 'pressure.low-available', 'pressure.refaults', 'pressure.reserve-too-large', 'pressure.stalled', 'pressure.thrashing',
  'swap.compressed-twice', 'swap.nearly-full', 'swap.none', 'swap.only-disk', 'swap.order', 'swap.page-cluster', 'swap.poor-compression', 'swap.slow-compressor', 'swap.swappiness-low', 'swap.zram-too-large', 'swap.zswap-pool-full', 'swap.zswap-without-swap',
  'virtual-memory.locked', 'virtual-memory.major-faults', 'virtual-memory.minor-faults', 'virtual-memory.promised',
]

test('these rules fire on what was really made, and four on a name alone', () => {
  const fired = new Set([...Object.values(EXPECTED), ...Object.values(IN_GUEST)].flat())
  expect([...fired].filter((rule) => !BY_NAME_ALONE.includes(rule)).toSorted()).toEqual(REALLY_MADE.toSorted())
  expect([...fired].filter((rule) => BY_NAME_ALONE.includes(rule)).toSorted()).toEqual(BY_NAME_ALONE)
  expect(REALLY_MADE.length).toBeGreaterThanOrEqual(25)
})
