import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultPolicy, type RegistryEntry } from '../../helper/contract/lifecycle.ts'
import { sessionRequests, type Registry, type SessionMethod, type SessionRequest, type SessionResponse } from '../../helper/contract/requests.ts'
import { startFakeSystem, type FakeSystem } from './fake-system.ts'
import { projectDir, startCaller, startProgram, startSessionBus } from './world.ts'
import type { BusCaller, PrivateBus, Running } from './world.ts'

const needed = ['/usr/bin/dbus-daemon', '/usr/bin/script'].find((path) => !existsSync(path))
const uid = process.getuid?.() ?? 0

/** The session role with an agent at a terminal and a system role that freezes nothing. */
describe.skipIf(needed !== undefined)(needed === undefined ? 'agents over time' : `agents over time (needs ${needed})`, () => {
  let bus: PrivateBus
  let systemBus: PrivateBus
  let caller: BusCaller
  let system: FakeSystem
  let home = ''
  let serial = 0
  const running: Running[] = []

  const call = async <M extends SessionMethod>(method: M, request: SessionRequest<M>): Promise<SessionResponse<M>> => {
    const answer = await caller.call(method, request)
    if (!answer.ok) throw new Error(`${method}: ${answer.error?.code} ${answer.error?.message}`)
    return sessionRequests[method].response.parse(answer.value) as SessionResponse<M>
  }
  const registry = (): Promise<Registry> => call('Registry', {})
  const agentOf = async (pid: number): Promise<RegistryEntry | undefined> => (await registry()).entries.find(({ id }) => id.split(':')[1] === String(pid))
  const states = async (id: string): Promise<string[]> => ((await registry()).entries.find((entry) => entry.id === id)?.transitions ?? []).map(({ to, cause }) => `${to} ${cause}`)

  const startRole = async (): Promise<Running> => {
    const role = await startProgram(process.execPath, [join(projectDir, 'helper', 'session.ts'), '--bus', bus.address, '--idle-exit-seconds', '0'], {
      ready: /agentmem session helper .* on /u,
      env: { XDG_CONFIG_HOME: join(home, 'config'), XDG_STATE_HOME: join(home, 'state'), XDG_RUNTIME_DIR: join(home, 'run'), DBUS_SYSTEM_BUS_ADDRESS: systemBus.address },
    })
    running.push(role)
    return role
  }
  /** An agent on a terminal of its own; answers with its pid. */
  const startAgent = async (): Promise<number> => {
    const program = join(home, 'agentmem-own-agent')
    if (!existsSync(program)) {
      copyFileSync('/bin/sleep', program)
      chmodSync(program, 0o755)
    }
    const terminal = await startProgram('/usr/bin/script', ['-qec', `stty -icanon -echo; echo started; exec ${program} 600`, '/dev/null'], { ready: /started/u })
    running.push(terminal)
    const child = (): number => Number(readFileSync(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8').trim())
    await vi.waitFor(() => expect(readFileSync(`/proc/${child()}/comm`, 'utf8')).toContain('agentmem-own-ag'), 5_000)
    return child()
  }
  /** The registry's id of an agent, once it has found it. */
  const idOf = (pid: number): Promise<string> => vi.waitFor(async () => {
    await call('Agents', {})
    const id = (await agentOf(pid))?.id
    if (id === undefined) throw new Error(`agent ${pid} was not found`)
    return id
  }, 10_000)

  beforeAll(async () => {
    bus = await startSessionBus()
    systemBus = await startSessionBus()
    caller = await startCaller(bus, uid, 'Session1')
  })
  beforeEach(async () => {
    home = join(bus.folder, `home-${(serial += 1)}`)
    mkdirSync(join(home, 'config', 'agentmem'), { recursive: true })
    mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 })
    writeFileSync(join(home, 'config', 'agentmem', 'agents.json'), JSON.stringify({ version: 1, agents: [{ kind: 'own-agent', title: 'Own agent', match: [{ executable: ['agentmem-own-agent'] }] }], children: [] }))
    system = await startFakeSystem(systemBus.address, home)
  })
  afterEach(async () => {
    for (const program of running.splice(0).toReversed()) await program.stop()
    system.stop()
  })
  afterAll(async () => {
    await caller?.stop()
    await bus?.stop()
    await systemBus?.stop()
  })

  test('suspended by its user, woken by a key: state, cause and events say so', async () => {
    const pid = await startAgent()
    await startRole()
    const id = await idOf(pid)
    const answer = await call('Suspend', { ids: [id], cause: 'user' })
    expect(answer).toMatchObject({ left: [], suspended: [{ agentId: id, cause: 'user' }] })
    expect(system.calls.filter(({ method }) => method === 'Suspend')).toMatchObject([{ mayAsk: true, request: { cause: 'user', agent: { processes: [{ pid }] } } }])
    const { agents } = await call('Agents', {})
    expect(agents.find((agent) => agent.pid === pid)?.state).toBe('suspended')
    system.typeKey(id)
    await vi.waitFor(async () => expect(await states(id)).toEqual(['active discovered', 'suspended user', 'active key']), 10_000)
    const { spool, events } = await call('Events', { afterSeq: 0, limit: 1000 })
    expect(spool).toMatch(/^[0-9a-f]{16}$/u)
    expect(events.filter(({ agentId }) => agentId === id).map(({ transition, suspension, resumed, word }) => [transition?.to ?? null, suspension?.wonBytes ?? null, resumed?.cause ?? null, word?.what ?? null])).toEqual([
      ['active', null, null, null],
      ['suspended', 1_000_000, null, null],
      ['active', null, 'key', null],
      [null, null, null, 'woke'],
    ])
    expect((await call('Events', { afterSeq: events.at(-1)?.seq ?? 0, limit: 10 })).events).toEqual([])
  })

  test('a pinned one stays, and pin and importance come back for the next agent there', async () => {
    const pid = await startAgent()
    const role = await startRole()
    const id = await idOf(pid)
    expect(await call('SetAgent', { id, pinned: true, importance: 90 })).toMatchObject({ pinned: true, importance: 90 })
    expect(await call('Suspend', { ids: [id], cause: 'command-line' })).toMatchObject({ suspended: [], left: [{ agentId: id, error: { code: 'busy', advice: 'Unpin it first.' } }] })
    await role.stop()
    const next = await startAgent()
    await startRole()
    expect(await agentOf(Number((await idOf(next)).split(':')[1]))).toMatchObject({ pinned: true, importance: 90 })
  })

  test('killed and started again it goes on; ended in order it leaves nothing frozen', async () => {
    const pid = await startAgent()
    const first = await startRole()
    const id = await idOf(pid)
    await call('Suspend', { ids: [id], cause: 'user' })
    const before = await agentOf(pid)
    // What is kept is on disk a moment later.
    await vi.waitFor(() => expect(readFileSync(join(home, 'state', 'agentmem', 'registry.json'), 'utf8')).toContain('"state":"suspended"'), 10_000)
    await first.stop('SIGKILL')
    expect(system.suspended()).toHaveLength(1)
    const second = await startRole()
    await vi.waitFor(() => expect(system.calls.some(({ method }) => method === 'Held')).toBe(true), 10_000)
    await idOf(pid)
    expect(await agentOf(pid)).toMatchObject({ state: 'suspended', stateSinceMs: before?.stateSinceMs })
    await second.stop()
    expect(system.suspended()).toEqual([])
    expect(system.calls.at(-1)).toMatchObject({ method: 'Resume', request: { agentIds: null, cause: 'owner-gone' } })
  })

  test('the policy suspends an idle agent by itself, and waits where a password is needed first', async () => {
    const pid = await startAgent()
    system.refuse = { code: 'authorization-obtainable', message: 'A password is needed.' }
    await startRole()
    const id = await idOf(pid)
    const policy = { ...defaultPolicy, suspend: { auto: true, afterIdleMs: 30_000 } }
    expect(await call('SetPolicy', { policy })).toEqual(policy)
    expect(JSON.parse(readFileSync(join(home, 'config', 'agentmem', 'policy.json'), 'utf8'))).toEqual(policy)
    await vi.waitFor(async () => expect((await registry()).suspend.text).toContain('password is needed once'), 90_000)
    expect(system.calls.filter(({ method }) => method === 'Suspend')).toMatchObject([{ mayAsk: false }])
    // The user presses the button: from then on the policy may.
    system.refuse = null
    expect((await call('Suspend', { ids: [id], cause: 'user' })).suspended).toHaveLength(1)
    expect((await registry()).suspend.text).not.toContain('password')
  }, 120_000)

  test('without a system role it says what is missing, and its own file of settings that is damaged is told', async () => {
    system.stop()
    writeFileSync(join(home, 'config', 'agentmem', 'policy.json'), '{"version":1,"suspend":{"auto":true')
    await startRole()
    const { suspend, limit, trim, policy, policyProblem, guard } = await registry()
    expect(suspend).toMatchObject({ how: null, text: expect.stringContaining('not installed') })
    expect([limit.how, trim.how, guard]).toEqual([null, null, null])
    expect(policy).toEqual(defaultPolicy)
    expect(policyProblem).toContain('policy.json is not JSON')
    expect(readdirSync(join(home, 'config', 'agentmem'))).toEqual(expect.arrayContaining(['agents.json', 'policy.json']))
  })
})
