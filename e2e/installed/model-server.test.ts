import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startFleet, type Fleet, type FleetAgent } from '../fixtures/fleet/fleet.ts'
import { fleetKinds } from '../fixtures/fleet/kinds.ts'
import { enterUntil, sayTo } from '../fixtures/fleet/say.ts'
import type { ServerLine } from '../fixtures/model-server/log.ts'
import { fleetPrograms, whyNot } from './needs.ts'

const reason = whyNot(fleetPrograms)
const patience = { timeout: 150_000, interval: 300 }

describe.skipIf(reason !== null)(`real agents at work against the model server${reason === null ? '' : ` (${reason})`}`, () => {
  let fleet: Fleet

  beforeAll(async () => {
    fleet = await startFleet({ counts: Object.fromEntries(fleetKinds.map((kind) => [kind, 1])), model: {} })
  })
  afterAll(async () => {
    await fleet.stop()
  })

  const agentOf = (kind: string): FleetAgent => {
    const found = fleet.agents.find((agent) => agent.kind === kind)
    if (found === undefined) throw new Error(`no ${kind} in the fleet`)
    return found
  }
  const log = async (turn: string): Promise<ServerLine[]> => {
    const text = await readFile(fleet.model?.logFile ?? '', 'utf8')
    return text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as ServerLine).filter((line) => line.turn === turn)
  }
  const events = async (turn: string): Promise<string[]> => (await log(turn)).map((line) => line.event)
  const ask = async (kind: string, script: string, seconds = 2): Promise<string> => {
    const turn = `${kind}-${script}`
    await sayTo(fleet, agentOf(kind).pane, { script, turn, seconds, variant: 0 }, async () => (await events(turn)).length > 0)
    return turn
  }
  const screen = (kind: string): Promise<string> => fleet.capture(agentOf(kind).pane)

  test.each(fleetKinds)('%s finishes a turn of text', async (kind) => {
    const turn = await ask(kind, 'text')
    await vi.waitFor(async () => { expect(await events(turn)).toContain('turn-end') }, patience)
    await vi.waitFor(async () => { expect(await screen(kind)).toContain('found what you asked for') }, patience)
  })

  test.each(fleetKinds)('%s runs a command and brings its output back', async (kind) => {
    const turn = await ask(kind, 'tool')
    await vi.waitFor(async () => { expect(await events(turn)).toContain('turn-end') }, patience)
    const lines = await log(turn)
    expect(lines.filter((line) => line.event === 'tool-call')).toHaveLength(1)
    // What the command printed is said nowhere else: the request that followed the call held it.
    expect(lines.filter((line) => line.event === 'result').map((line) => line.note).join('\n')).toContain('tool-ran-23')
  })

  test.each(fleetKinds)('%s goes on after errors of the model', async (kind) => {
    const turn = await ask(kind, 'retry-after-error', 3)
    await vi.waitFor(async () => { expect(await events(turn)).toContain('turn-end') }, patience)
    expect((await events(turn)).filter((event) => event === 'failed')).toHaveLength(2)
  })

  test.each(['claude-code', 'opencode'] as const)('%s holds a question open until its user answers', async (kind) => {
    const turn = await ask(kind, 'asking')
    await vi.waitFor(async () => { expect(await screen(kind)).toMatch(/Do you want to proceed|Permission required/iu) }, patience)
    expect(await events(turn)).not.toContain('turn-end')
    await enterUntil(fleet, agentOf(kind).pane, async () => (await events(turn)).includes('turn-end'))
  })
})
