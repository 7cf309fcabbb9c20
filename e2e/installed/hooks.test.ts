import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Fix, RegistryEntry } from '../../helper/contract/lifecycle.ts'
import { startFleet, type Fleet, type FleetAgent } from '../fixtures/fleet/fleet.ts'
import { fleetKinds, type FleetKind } from '../fixtures/fleet/kinds.ts'
import { enterUntil, sayTo } from '../fixtures/fleet/say.ts'
import { makeFolder } from '../fixtures/fleet/ground.ts'
import { listenBetween, putBundle, startSessionOf, type HookLine, type SessionOf } from './hooks-place.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { undoList } from './undo.ts'

const reason = whyNot([...fleetPrograms, 'dbus-daemon'])
const patience = { timeout: 120_000, interval: 500 }

/** What each agent's hooks say of a turn with one command, in this order; others may stand between. */
const turnOf: Readonly<Record<FleetKind, readonly string[]>> = {
  'claude-code': ['turn-start', 'tool-start', 'tool-end', 'turn-end'],
  'gemini-cli': ['turn-start', 'tool-start', 'tool-end', 'turn-end'],
  opencode: ['turn-start', 'tool-start', 'tool-end', 'turn-end'],
  // Its notify knows one event.
  codex: ['turn-end'],
}

/** Every file below a folder, with its text; folders end in "/". */
const filesBelow = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() || entry.isDirectory()).map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return entry.isDirectory() ? [`${path}/`, ''] : [path, readFileSync(path, 'utf8')]
  }))

/** As any start with a network leaves it; without, opencode waits over a minute for its registry before it loads a plugin. */
const asOnceOnline = (home: string): void => {
  const folder = join(home, '.config/opencode')
  const dependencies = { '@opencode-ai/plugin': '1.0.0' }
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ dependencies }))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages: { '': { dependencies } } }))
  for (const path of [folder, join(folder, 'node_modules')]) chmodSync(path, 0o777)
}

const holdsInOrder = (words: readonly string[], wanted: readonly string[]): boolean => {
  let at = 0
  for (const word of words) if (word === wanted[at]) at += 1
  return at === wanted.length
}

describe.skipIf(reason !== null)(`hooks of real agents${reason === null ? '' : ` (${reason})`}`, () => {
  let fleet: Fleet
  let bundle: string
  let session: SessionOf
  let heard: { lines: HookLine[]; stop(): void }
  const undo = undoList()

  const homeOf = (kind: FleetKind): string => join(fleet.ground.folder, 'homes', kind)
  /** The session role in that HOME, as long as `use` takes. */
  const inHome = async (kind: FleetKind, home: string, use: (role: SessionOf, fix: Fix) => Promise<void>): Promise<void> => {
    const role = await startSessionOf(fleet, bundle, join(fleet.ground.folder, `settings-${kind}`), { HOME: home, XDG_CONFIG_HOME: join(home, '.config') })
    try {
      const fix = (await role.call('Fixes', {})).fixes.find(({ id }) => id === `hooks-${kind}`)
      if (fix === undefined) throw new Error(`no fix hooks-${kind}`)
      await use(role, fix)
    } finally {
      await role.stop()
    }
  }
  const agentOf = (kind: FleetKind): FleetAgent => {
    const found = fleet.agents.find((agent) => agent.kind === kind)
    if (found === undefined) throw new Error(`no ${kind} in the fleet`)
    return found
  }
  const entryOf = async (kind: FleetKind): Promise<RegistryEntry | undefined> =>
    (await session.call('Registry', {})).entries.find(({ id }) => id.split(':')[1] === String(agentOf(kind).main.pid))
  const said = (kind: FleetKind, from = 0): string[] => heard.lines.slice(from).filter((line) => line.kind === kind).map(({ event }) => event)
  const ask = async (kind: FleetKind, script: string, seconds = 2): Promise<number> => {
    const from = heard.lines.length
    await sayTo(fleet, agentOf(kind).pane, { script, turn: `${kind}-${script}`, seconds, variant: 0 }, () => said(kind, from).length > 0)
    return from
  }

  beforeAll(async () => {
    fleet = await startFleet({
      counts: {},
      model: {},
      prepared: async (kind, home) => {
        if (kind === 'opencode') asOnceOnline(home)
        const before = filesBelow(home)
        await inHome(kind, home, async (role, fix) => {
          expect(fix.state, fix.problem ?? '').toBe('offered')
          await role.call('ApplyFix', { id: fix.id, digest: fix.digest })
          expect(filesBelow(home)).not.toEqual(before)
          expect(await role.call('UndoFix', { id: fix.id })).toMatchObject({ state: 'offered', digest: fix.digest })
          expect(filesBelow(home)).toEqual(before)
          expect(await role.call('ApplyFix', { id: fix.id, digest: fix.digest })).toMatchObject({ state: 'applied', problem: null })
        })
      },
    })
    undo.push(() => fleet.stop())
    bundle = putBundle(fleet)
    session = await startSessionOf(fleet, bundle, join(fleet.ground.folder, 'session'))
    undo.push(() => session.stop())
    const runtime = await makeFolder(join(fleet.ground.folder, 'between'), fleet.user)
    const sockets = await makeFolder(join(runtime, 'agentmem'), fleet.user)
    heard = await listenBetween(join(sockets, 'hooks.sock'), join(fleet.ground.folder, 'session/run/agentmem/hooks.sock'), fleet.user.uid)
    undo.push(() => heard.stop())
    await fleet.add(Object.fromEntries(fleetKinds.map((kind) => [kind, 1])), ['env', `XDG_RUNTIME_DIR=${runtime}`])
  })
  afterAll(undo.run)

  test.for(fleetKinds)('%s starts without a word about them', async (kind) => {
    expect(await fleet.capture(agentOf(kind).pane)).not.toMatch(/hook|plugin|notify|untrusted|agentmem-hook|deprecat/iu)
  })

  test('each says when its turn and its tool begin and end, and is known by it, under its own session', async () => {
    const from = new Map<FleetKind, number>()
    for (const kind of fleetKinds) from.set(kind, await ask(kind, 'tool'))
    await vi.waitFor(async () => {
      for (const kind of fleetKinds) {
        const words = said(kind, from.get(kind))
        if (!holdsInOrder(words, turnOf[kind])) throw new Error(`${kind}: expected ${turnOf[kind].join(' ')}, heard ${words.join(' ') || 'nothing'}; its screen:\n${await fleet.capture(agentOf(kind).pane)}`)
      }
    }, patience)
    await vi.waitFor(async () => {
      for (const kind of fleetKinds) {
        const entry = await entryOf(kind)
        expect(entry?.activity.knownBy, kind).toBe('hook')
        // Codex says the ends of its own side threads too, so any of its names will do.
        expect(heard.lines.filter((line) => line.kind === kind).map(({ session: name }) => name), kind).toContain(entry?.sessionId ?? 'none')
      }
    }, patience)
    // No word went to another agent: four sessions, each once.
    const { entries } = await session.call('Registry', {})
    expect(new Set(entries.map(({ sessionId }) => sessionId)).size).toBe(fleetKinds.length)
  })

  test.for(['claude-code', 'opencode'] as const)('%s says that it asks its user, and goes on when it has its answer', async (kind) => {
    const from = await ask(kind, 'asking')
    await vi.waitFor(() => expect(said(kind, from)).toContain('asking'), patience)
    expect(said(kind, from)).not.toContain('turn-end')
    await enterUntil(fleet, agentOf(kind).pane, () => said(kind, from).at(-1) === 'turn-end')
  })

  test('taken back while the agents run, only ours goes, and agents did not mind it', async () => {
    for (const kind of fleetKinds) {
      await inHome(kind, homeOf(kind), async (role, fix) => {
        expect(fix.state, kind).toBe('applied')
        const [{ path } = { path: '' }] = fix.undo
        const ours = readFileSync(path, 'utf8')
        expect(ours, kind).toContain('agentmem-hook')
        expect(await role.call('UndoFix', { id: fix.id })).toMatchObject({ state: 'offered' })
        const left = existsSync(path) ? readFileSync(path, 'utf8') : null
        // An agent may have written its settings anew meanwhile, as Gemini CLI does: the rest stays as it left it.
        if (path.endsWith('.json')) {
          const { hooks: _ours, ...others } = JSON.parse(ours) as Record<string, unknown>
          expect(JSON.parse(left ?? '{}'), kind).toEqual(others)
        } else expect(left, kind).toBe(path.endsWith('.toml') ? ours.split('\n').slice(2).join('\n') : null)
      })
      expect(existsSync(join(homeOf(kind), '.config/opencode/plugin')), kind).toBe(false)
    }
  })
})
