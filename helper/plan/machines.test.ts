import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { presetSchema } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import { readProbe } from '../observe/probe.ts'
import { makePlan } from './make-plan.ts'

const MACHINES = new URL('../test/machines/', import.meta.url).pathname
const PRESETS = new URL('../../assets/presets/', import.meta.url).pathname

/** Of some only looks are kept, without the files they were read from. */
const machines = readdirSync(MACHINES).filter((name) => existsSync(join(MACHINES, name, 'proc/meminfo')))
const presets = readdirSync(PRESETS).map((name) => presetSchema.parse(JSON.parse(readFileSync(join(PRESETS, name), 'utf8'))))

/** A captured tree has no disk of its own: that of the machine the test runs on must not count. */
const probeOf = (name: string): Probe => ({ ...readProbe(join(MACHINES, name)), swapFolder: { path: '/var/lib', fileSystem: 'ext4', freeBytes: { value: 200 * 1024 ** 3 } } })

test('there are captured machines to plan on', () => {
  expect(machines.length).toBeGreaterThan(0)
})

// What a review reads: for every captured machine, each preset as a list of old and new values, and what it leaves out.
test.each(machines)('every preset on %s', (name) => {
  const probe = probeOf(name)
  const text = presets
    .map(({ id, settings }) => {
      const { steps, skipped } = makePlan({ settings, probe, agents: [], ourSwap: [] })
      return [`${id}:`, ...steps.map((step) => `  ${step.target}: ${step.old ?? '-'} -> ${step.new}`), ...skipped.map((skip) => `  (${skip.kind}) ${skip.what}: ${skip.reason}`)].join('\n')
    })
    .join('\n')
  expect(`\n${text}\n`).toMatchSnapshot()
})
