import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Message, sessionBus, type MessageBus } from 'dbus-next'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { fail, ok } from '../../helper/contract/result.ts'
import { fixSchema, policySchema, type Fix, type RegistryEntry } from '../../helper/contract/lifecycle.ts'
import type { LimitView } from '../../helper/contract/limits.ts'
import { known } from '../../helper/contract/known.ts'
import { SESSION_BUS_NAME, SESSION_OBJECT_PATH, sessionRequests, type Registry, type SessionMethod } from '../../helper/contract/requests.ts'
import { startPrivateBus, type PrivateBus } from '../app/helper-client/private-bus.ts'
import { sampleEntry, sampleEvent, sampleRegistry, sampleResumed, sampleSuspension } from '../app/lifecycle/sample.ts'
import { sampleAgent, sampleSnapshot } from '../app/report/sample.ts'
import { channels } from '../contract/channels.ts'
import { answers as schemas } from './answers.ts'
import { runProgram } from './program.ts'

const hasBus = spawnSync('dbus-daemon', ['--version']).status === 0
const MIB = 1024 * 1024
const specs = [
  { kind: 'claude-code', title: 'Claude Code', name: 'web-shop', pid: 100, folder: '/p', anonMib: 300, fileMib: 40 },
  { kind: 'codex', title: 'Codex', name: 'web-shop', pid: 200, folder: '/p', anonMib: 100, fileMib: 40, children: [{ label: 'gopls', role: 'language-server' as const, pssMib: 80 }] },
  { kind: 'gemini-cli', title: 'Gemini CLI', name: 'Ledger', pid: 300, folder: '/q', anonMib: 260, fileMib: 40 },
]
const [claude, codex, gemini] = specs.map(sampleAgent)
if (claude === undefined || codex === undefined || gemini === undefined) throw new Error('three agents')
const agents = [claude, codex, gemini]

let folder = ''
let bus: PrivateBus
let service: MessageBus
let asked: [SessionMethod, unknown][] = []
let answers: Partial<Record<SessionMethod, (request: never) => unknown>> = {}
let registry: Registry

const entry = (agent: typeof claude, changes: Partial<RegistryEntry> = {}): RegistryEntry => sampleEntry(agent, changes)
const entryOf = (id: string): RegistryEntry => {
  const found = registry.entries.find((one) => one.id === id)
  if (found === undefined) throw new Error(`no entry ${id}`)
  return found
}
const view = (agentId: string | null, limits: LimitView['limits']): LimitView => ({
  agentId, cgroup: '/sys/fs/cgroup/a', limits, setAtMs: 1, state: 'watching', watchUntilMs: 2, text: 'no stalls so far',
  files: [{ file: '/sys/fs/cgroup/a/memory.high', oldBytes: null, nowBytes: limits.highBytes ?? null }],
})
const fix: Fix = {
  id: 'gemini-no-relaunch', kind: 'waste', title: 'Gemini CLI starts itself twice', text: 'Its parent keeps 106 MB for nothing.', state: 'offered', savesBytes: known(106 * MIB), agents: [gemini.id],
  changes: [{ path: '/home/mara/.bashrc', before: 'a\nb\nc\nd\n', after: 'a\nb\nc\nexport GEMINI_CLI_NO_RELAUNCH=true\nd\n' }], digest: 'd1', undo: [{ path: '/home/mara/.bashrc', before: 'x\nline\n', after: 'x\n' }], problem: null,
}
const hook: Fix = { ...fix, id: 'claude-hooks', kind: 'hooks', title: 'Hooks of Claude Code', changes: [{ path: '/home/mara/.claude/settings.json', before: null, after: '{}\n' }], digest: 'd2' }
const orphan = { pid: 900, startTimeTicks: 5, role: 'mcp-server' as const, label: 'filesystem MCP server', costBytes: known(50 * MIB), ageMs: 3_600_000, why: 'its session ended 3 h ago', children: [] }

beforeAll(async () => {
  if (!hasBus) return
  folder = mkdtempSync(join(tmpdir(), 'agentmem-cli-life-'))
  const started = await startPrivateBus(join(folder, 'run'))
  if (!started.ok) throw new Error(started.error.message)
  bus = started.value
  service = sessionBus({ busAddress: bus.address })
  service.addMethodHandler((message: Message) => {
    const method = (Object.keys(sessionRequests) as SessionMethod[]).find((name) => name === message.member)
    if (message.path !== SESSION_OBJECT_PATH || method === undefined) return false
    const request: unknown = JSON.parse(z.string().parse(message.body[0]))
    asked.push([method, sessionRequests[method].request.parse(request)])
    service.send(Message.newMethodReturn(message, 's', [JSON.stringify(answers[method]?.(request as never) ?? fail('too-old', `${method} is not played.`))]))
    return true
  })
  await service.requestName(SESSION_BUS_NAME, 0)
  const places = { HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'), DBUS_SESSION_BUS_ADDRESS: bus.address, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${folder}/none` }
  for (const [name, value] of Object.entries(places)) vi.stubEnv(name, value)
})
afterAll(() => {
  vi.unstubAllEnvs()
  if (!hasBus) return
  service.disconnect()
  bus.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  asked = []
  const waiting = { idle: false, idleMs: { value: null, reason: 'not-measured' as const }, reasons: [{ reason: 'network' as const, text: 'waits for its model' }], knownBy: 'evidence' as const }
  registry = sampleRegistry([entry(claude), entry(codex, { state: 'active', activity: waiting }), entry(gemini, { state: 'suspended', suspension: sampleSuspension(gemini) })])
  const set = (method: (old: RegistryEntry) => RegistryEntry, id: string): RegistryEntry => {
    const next = method(entryOf(id))
    registry = { ...registry, entries: registry.entries.map((one) => (one.id === id ? next : one)) }
    return next
  }
  answers = {
    Status: () => ok({ protocolVersion: 1, version: '1', role: 'session', pid: 1, startedAtMs: 0, openRunId: null }),
    Agents: () => ok({ takenAtMs: 1, agents, counts: sampleSnapshot({ takenAtMs: 1, agents: [], availableGib: 8 }).counts }),
    Snapshot: () => ok(sampleSnapshot({ takenAtMs: 1, agents: specs, availableGib: 8 })),
    Registry: () => ok(registry),
    Events: ({ afterSeq }: { afterSeq: number }) => ok({ spool: 's', events: afterSeq >= 1 ? [] : [sampleEvent(1, gemini, { atMs: Date.now(), transition: { atMs: Date.now() - 60_000, from: 'idle', to: 'suspended', cause: 'policy', text: 'idle for 10 min' }, suspension: sampleSuspension(gemini, { sinceMs: Date.now() - 60_000 }) })] }),
    Suspend: ({ ids }: { ids: string[] }) => ok({
      suspended: ids.filter((id) => id !== codex.id).map((id) => sampleSuspension(agents.find((one) => one.id === id) ?? claude)),
      left: ids.filter((id) => id === codex.id).map((agentId) => ({ agentId, error: { code: 'busy', message: 'It waits for its model.', advice: 'Try again later.' } })),
    }),
    Resume: () => ok({ resumed: [sampleResumed(gemini)], left: [] }),
    SetAgent: ({ id, ...change }: { id: string; pinned?: boolean; importance?: number }) => ok(set((old) => ({ ...old, ...change }), id)),
    Limit: ({ id, limits }: { id: string | null; limits: LimitView['limits'] }) => {
      const made = view(id, limits)
      if (id === null) registry = { ...registry, budget: made }
      else set((old) => ({ ...old, limit: made }), id)
      return ok(made)
    },
    SetPolicy: ({ policy }: { policy: Registry['policy'] }) => {
      registry = { ...registry, policy }
      return ok(policy)
    },
    AskToFree: () => ok({ asked: [{ pid: 100, startTimeTicks: 1000, how: 'v8-inspector', beforeBytes: known(300 * MIB), afterBytes: known(250 * MIB), text: 'collected' }] }),
    Leftovers: () => ok({ orphans: [orphan], duplicates: [{ label: 'gopls', role: 'language-server', processes: [{ pid: 1, startTimeTicks: 1, agentId: null, costBytes: known(1) }, { pid: 2, startTimeTicks: 1, agentId: null, costBytes: known(1) }], costBytes: known(2 * MIB), couldSaveBytes: known(MIB), share: { possible: false, text: 'speaks over a pipe' } }] }),
    Reap: ({ processes }: { processes: { pid: number; startTimeTicks: number }[] }) => ok({ ended: processes, left: [] }),
    Fixes: () => ok({ fixes: [fix, hook] }),
    ApplyFix: ({ id, digest }: { id: string; digest: string }) => (digest === (id === fix.id ? 'd1' : 'd2') ? ok({ ...(id === fix.id ? fix : hook), state: 'applied' }) : fail('plan-changed', 'The files changed.')),
    UndoFix: ({ id }: { id: string }) => ok({ ...(id === fix.id ? fix : hook), state: 'offered' }),
  }
})
afterEach(() => { rmSync(join(folder, 'state'), { recursive: true, force: true }) })

/** As a user whose session role runs already; in this process, so that fifty calls take no fifty starts. */
const ctl = async (...words: string[]): Promise<{ code: number; out: string; err: string }> => {
  let out = ''
  let err = ''
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => { out += String(text); return true }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => { err += String(text); return true }),
  ]
  try {
    const code = await runProgram(words)
    return { code, out, err }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
const requestsOf = (method: SessionMethod): unknown[] => asked.filter(([name]) => name === method).map(([, request]) => request)

describe.skipIf(!hasBus)('agentmemctl and the agents (needs dbus-daemon)', () => {
  it('lists states, and why each is as it is', async () => {
    const { code, out } = await ctl('agents')
    expect(code).toBe(0)
    expect(out).toMatch(/Claude Code +web-shop +idle +5 min .* 100$/mu)
    expect(out).toMatch(/Codex +web-shop +active .*waits for its model$/mu)
    expect(out).toMatch(/Gemini CLI +Ledger +suspended .*won 210 MB since/mu)
    expect(out).toContain('Suspended: 1, which won')
    const json = schemas.agents.parse(JSON.parse((await ctl('agents', '--json')).out)).agents
    expect(json.find((one) => one.id === gemini.id)?.lifecycle?.state).toBe('suspended')
  })

  it('everything that is done is in the journal with what it won, from one command to the next', async () => {
    for (const words of [['suspend', '100'], ['limit', '100', '--high', '2G'], ['reap', '--yes'], ['fix', fix.id, '--yes'], ['unfix', fix.id], ['free', '100'], ['policy', 'set', '--suspend', 'on', '--suspend-after', '5m']]) expect((await ctl(...words)).code, words.join(' ')).toBe(0)
    const { entries } = schemas.journal.parse(JSON.parse((await ctl('journal', '--json')).out))
    const told = entries.toReversed().map(({ kind, title, solution, outcome, gainBytes }) => [kind, title, solution, outcome, gainBytes.value === null ? null : Math.round(gainBytes.value / MIB)])
    expect(told).toEqual([
      ['outcome', '1 agent suspended', 'suspend-idle', 'kept', 238],
      ['action', 'web-shop (Claude Code): limited', 'limit-agents', null, null],
      ['outcome', '1 process ended that outlived an agent', 'end-leftovers', 'kept', 50],
      ['outcome', 'Gemini CLI starts itself twice: applied', null, 'kept', null],
      ['outcome', 'Gemini CLI starts itself twice: taken back', null, 'undone', null],
      ['outcome', 'web-shop (Claude Code): asked to give memory back', null, 'kept', 50],
      ['action', 'What is done with idle agents was changed', null, null, null],
    ])
  })

  it('suspends by process, by a process below it, and by a name that only one has', async () => {
    const { code, out } = await ctl('suspend', '100', 'ledger')
    expect(code).toBe(0)
    expect(requestsOf('Suspend')).toEqual([{ ids: [claude.id, gemini.id], cause: 'command-line' }])
    expect(out).toMatch(/^web-shop \(Claude Code\): suspended, won 238 MB \(340 MB -> 102 MB\) in 1 s\.$/mu)
    const json = await ctl('suspend', '201', '--json')
    expect(json.code).toBe(5)
    expect(channels['agents.suspend'].response.parse(JSON.parse(json.out)).left).toMatchObject([{ agentId: codex.id, error: { code: 'busy' } }])
    expect((await ctl('suspend', codex.id)).err).toContain('web-shop (Codex): It waits for its model. Try again later.')
  })

  it('lists whom an ambiguous name may mean, and names what is not there', async () => {
    const ambiguous = await ctl('suspend', 'web-shop')
    expect(ambiguous).toMatchObject({ code: 2, out: '' })
    expect(ambiguous.err).toContain('got: web-shop (Claude Code), process 100; web-shop (Codex), process 200')
    expect(await ctl('suspend', 'nobody')).toMatchObject({ code: 1, err: expect.stringMatching(/No agent is called "nobody"[\s\S]*agentmemctl agents/u) })
    expect((await ctl('pin', '4321')).err).toContain('No agent runs as process 4321')
    expect(await ctl('suspend')).toMatchObject({ code: 2, err: expect.stringContaining('got: neither') })
    expect(requestsOf('Suspend')).toEqual([])
  })

  it('suspends all that are idle for long enough, and none that is busy', async () => {
    expect((await ctl('suspend', '--idle', '--for', '4m')).code).toBe(0)
    expect(requestsOf('Suspend')).toEqual([{ ids: [claude.id], cause: 'command-line' }])
    expect(await ctl('suspend', '--idle', '--for', '10m', '--json')).toMatchObject({ code: 0, out: expect.stringContaining('"suspended": []') })
    expect(await ctl('suspend', '--idle', '--for', 'soon')).toMatchObject({ code: 2, err: expect.stringContaining('90s, 5m') })
    expect((await ctl('suspend', '--for', '5m', '100')).code).toBe(2)
    expect(requestsOf('Suspend')).toHaveLength(1)
  })

  it('resumes one or all', async () => {
    expect(await ctl('resume', 'Ledger')).toMatchObject({ code: 0, out: 'Ledger (Gemini CLI): runs again after 60 s; 20 MB brought back in 31 ms.\n' })
    expect(channels['agents.resume'].response.parse(JSON.parse((await ctl('resume', '--all', '--json')).out)).resumed).toHaveLength(1)
    expect(requestsOf('Resume')).toEqual([{ ids: [gemini.id], cause: 'command-line' }, { ids: null, cause: 'command-line' }])
    expect((await ctl('resume')).code).toBe(2)
  })

  it('sets, shows and takes away limits, and says what a size looks like', async () => {
    const set = await ctl('limit', '100', '--high', '1.5G', '--max', '2GiB', '--swap-max', 'none', '--json')
    expect(schemas.limit.parse(JSON.parse(set.out)).limit?.limits).toEqual({ highBytes: 1536 * MIB, maxBytes: 2048 * MIB, swapMaxBytes: null })
    expect((await ctl('limit', '100')).out).toMatch(/being watched until .*\n +memory\.high +max -> 1\.5 GB/u)
    await ctl('limit', '100', '--none')
    expect(requestsOf('Limit').at(-1)).toEqual({ id: claude.id, limits: { lowBytes: null, highBytes: null, maxBytes: null, swapMaxBytes: null, zswapMaxBytes: null, toolsHighBytes: null } })
    expect((await ctl('limit', '300')).err).toContain('--high 150M')
    expect(await ctl('limit', '100', '--high', 'lots')).toMatchObject({ code: 2, err: expect.stringContaining('512M or 1.5G') })
    expect(await ctl('limit', '100', '--max', '1G')).toMatchObject({ code: 2, err: expect.stringMatching(/with --max cannot be set\.\n {2}expected: .*throttled before it is ended/u) })
    expect(await ctl('limit', '100', '--high', '1M')).toMatchObject({ code: 2, err: expect.stringContaining('64 MiB') })
    expect((await ctl('limit', '100', '--none', '--high', '1G')).code).toBe(2)
    expect(requestsOf('Limit')).toHaveLength(2)
  })

  it('keeps a budget in the policy as well', async () => {
    expect((await ctl('budget')).out).toContain('no budget')
    expect((await ctl('budget', '8G')).code).toBe(0)
    expect(requestsOf('Limit')).toEqual([{ id: null, limits: { highBytes: 8192 * MIB } }])
    expect(registry.policy.budgetBytes).toBe(8192 * MIB)
    expect(await ctl('budget', '100M')).toMatchObject({ code: 2, err: expect.stringContaining('at least 256 MB') })
    expect((await ctl('budget', 'none')).code).toBe(0)
    expect(registry.policy.budgetBytes).toBeNull()
  })

  it('pins, unpins and protects', async () => {
    expect(await ctl('pin', '100', 'Ledger')).toMatchObject({ code: 0, out: expect.stringContaining('pinned, never suspended by itself') })
    expect(schemas['agents-set'].parse(JSON.parse((await ctl('unpin', '100', '--json')).out)).entries).toMatchObject([{ pinned: false }])
    expect((await ctl('protect', '100', '--importance', '90')).out).toContain('importance 90')
    expect((await ctl('protect', '100', '--importance', '101')).code).toBe(2)
    expect((await ctl('protect', '100')).code).toBe(2)
    expect(requestsOf('SetAgent')).toEqual([{ id: claude.id, pinned: true }, { id: gemini.id, pinned: true }, { id: claude.id, pinned: false }, { id: claude.id, importance: 90 }])
  })

  it('shows and changes the policy, and touches nothing that was not named', async () => {
    expect(policySchema.parse(JSON.parse((await ctl('policy', '--json')).out))).toEqual(registry.policy)
    const old = registry.policy
    expect((await ctl('policy', 'set', '--suspend', 'on', '--suspend-after', '5m')).out).toMatch(/Suspend idle agents +yes, after 5 min/u)
    expect(registry.policy).toEqual({ ...old, suspend: { auto: true, afterIdleMs: 300_000 } })
    expect(await ctl('policy', 'set', '--suspend-after', '1s')).toMatchObject({ code: 2 })
    expect((await ctl('policy', 'set', '--trim', 'maybe')).err).toContain('"on" or "off"')
    expect((await ctl('policy')).out).toContain('Budget of all together')
  })

  it('shows leftovers, and reaps only what was shown and said yes to', async () => {
    expect((await ctl('leftovers')).out).toMatch(/900 +filesystem MCP server +50 MB +60 min +0 +its session ended/u)
    expect(channels['leftovers.get'].response.safeParse(JSON.parse((await ctl('leftovers', '--json')).out)).success).toBe(true)
    const asks = await ctl('reap')
    expect(asks).toMatchObject({ code: 2, out: expect.stringContaining('filesystem MCP server'), err: expect.stringContaining('--yes') })
    expect(await ctl('reap', '901', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('expected: 900') })
    expect(requestsOf('Reap')).toEqual([])
    expect(await ctl('reap', '--yes')).toMatchObject({ code: 0, out: expect.stringContaining('Ended 1 of 1.') })
    expect(requestsOf('Reap')).toEqual([{ processes: [{ pid: 900, startTimeTicks: 5 }] }])
  })

  it('shows what a fix writes, writes what was shown, and takes it back', async () => {
    expect((await ctl('fixes')).out).toMatch(/gemini-no-relaunch +waste +offered +106 MB/u)
    const shown = await ctl('fix', fix.id)
    expect(shown).toMatchObject({ code: 2, err: expect.stringContaining('--yes') })
    expect(shown.out).toContain('/home/mara/.bashrc\n  ...\n    b\n    c\n  + export GEMINI_CLI_NO_RELAUNCH=true\n    d\n')
    expect(requestsOf('ApplyFix')).toEqual([])
    expect(z.object({ fixes: z.array(fixSchema) }).parse(JSON.parse((await ctl('fix', fix.id, '--yes', '--json')).out)).fixes).toMatchObject([{ state: 'applied' }])
    expect(await ctl('fix', 'nothing', '--yes')).toMatchObject({ code: 2, err: expect.stringContaining('expected: gemini-no-relaunch, claude-hooks') })
    expect((await ctl('unfix', fix.id)).out).toContain('  - line\n')
    expect(requestsOf('UndoFix')).toEqual([{ id: fix.id }])
  })

  it('installs and removes hooks, and only hooks', async () => {
    expect((await ctl('hooks')).out).not.toContain('gemini-no-relaunch')
    expect((await ctl('hooks', 'install', '--yes')).out).toContain('/home/mara/.claude/settings.json (new)')
    expect(requestsOf('ApplyFix')).toEqual([{ id: 'claude-hooks', digest: 'd2' }])
    expect((await ctl('hooks', 'remove', fix.id)).code).toBe(2)
    expect((await ctl('hooks', 'remove', 'claude-hooks')).out).toContain('taken back')
  })

  it('asks an agent to free memory, tells its timeline and the guard', async () => {
    expect((await ctl('free', '100')).out).toMatch(/100 +v8-inspector +300 MB +250 MB +collected/u)
    const { out } = await ctl('timeline', 'Ledger')
    expect(out).toMatch(/suspended +60 s +policy +idle for 10 min/u)
    expect(out).toMatch(/SUSPENDED +FOR +WON[\s\S]* - +210 MB/u)
    expect(channels['agents.timeline'].response.parse(JSON.parse((await ctl('timeline', gemini.id, '--json')).out)).suspensions).toHaveLength(1)
    expect((await ctl('timeline', 'Ledger', '--since', '1s')).out).toMatch(/suspended/u)
    expect((await ctl('guard')).out).toContain('running, process 77, 900 kB; stands for 1 suspended agent and 0 open runs')
    expect(schemas.guard.parse(JSON.parse((await ctl('guard', '--json')).out)).guard?.pid).toBe(77)
    expect((await ctl('status')).out).toContain('3, 1 of them suspended')
  })

  it('rolls back agents and limits even where runs cannot be asked for', async () => {
    await ctl('budget', '8G')
    await ctl('limit', '100', '--high', '1G')
    asked = []
    const { code, out } = await ctl('rollback', '--json')
    expect(code).toBe(3)
    expect(JSON.parse(out)).toMatchObject({ resumed: [{ agentId: gemini.id }], limits: [{ agentId: claude.id }, { agentId: null }], runs: [], error: { code: 'helper-missing' } })
    expect(requestsOf('Resume')).toEqual([{ ids: null, cause: 'command-line' }])
    expect(registry.policy.budgetBytes).toBeNull()
  })

  it('passes failures on as they are, with what to do', async () => {
    answers.Suspend = () => fail('not-supported', 'There is no swap to page out to.', { expected: 'zram or zswap', got: 'no swap', advice: 'Turn on compressed swap: agentmemctl layer on compressed-swap' })
    const refused = await ctl('suspend', '100')
    expect(refused).toMatchObject({ code: 6, out: '' })
    expect(refused.err).toMatch(/no swap to page out to\.\n {2}expected: zram or zswap\n {2}got: no swap\n {2}Turn on compressed swap/u)
    delete answers.Registry
    expect((await ctl('guard', '--json')).code).toBe(3)
    const listed = await ctl('agents')
    expect(listed).toMatchObject({ code: 0, err: expect.stringContaining('What they do is not known') })
  })
})
