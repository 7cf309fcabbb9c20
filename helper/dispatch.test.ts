import { describe, expect, test } from 'vitest'
import type { Authoriser, Caller } from './authorize.ts'
import type { Call } from './bus.ts'
import { fail, ok } from './contract/result.ts'
import type { Result } from './contract/errors.ts'
import type { PolkitAction } from './contract/requests.ts'
import { actionsOf, createDispatcher } from './dispatch.ts'
import type { SystemServices } from './dispatch.ts'

const UID = 1000
const DIGEST = 'a'.repeat(64)
const RUN = '20260101T000000Z-00000000'
const BOOT = '00000000-0000-0000-0000-000000000000'
const applyRequest = { presetId: 'p', presetTitle: 'P', settings: {}, digest: DIGEST, cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 5000 }

type Standing = 'yes' | 'password' | 'no' | 'dismisses' | 'mistypes'

/** polkit as told; each question is written down. */
const fakeAuthoriser = (standing: Partial<Record<PolkitAction, Standing>>, asked: string[] = []): Authoriser => ({
  identify: (sender) => Promise.resolve(sender === ':gone' ? fail('authorization-denied', 'gone') : ok({ sender, uid: UID, pid: 4711 })),
  check: (_caller, action, mayAsk) => {
    asked.push(`${action}${mayAsk ? ' with dialog' : ''}`)
    const how = standing[action] ?? 'yes'
    const answers: Record<Standing, Result<null>> = {
      yes: ok(null),
      no: fail('authorization-denied', 'no'),
      password: mayAsk ? ok(null) : fail('authorization-obtainable', 'password'),
      dismisses: mayAsk ? fail('authorization-dismissed', 'closed') : fail('authorization-obtainable', 'password'),
      mistypes: mayAsk ? fail('authorization-denied', 'no') : fail('authorization-obtainable', 'password'),
    }
    return Promise.resolve(answers[how])
  },
  forget: () => undefined,
})

const unused = (): never => {
  throw new Error('was not to be called')
}

/** Services that write down what they were asked to do; process 1 is root's, 2 the caller's, 3 is gone. */
const fakeServices = (done: string[]): SystemServices => {
  const runs: SystemServices['runs'] = {
    plan: unused,
    apply: (uid, request) => {
      done.push(`apply ${uid} ${request.digest === DIGEST}`)
      return Promise.resolve(ok({ runId: RUN }))
    },
    keep: unused,
    undo: (uid, request) => {
      done.push(`undo ${uid} ${request.runId} ${request.cause}`)
      return Promise.resolve(fail('no-such-run', 'none'))
    },
    rollback: (uid) => {
      done.push(`rollback ${uid}`)
      return Promise.resolve(ok([]))
    },
    cancel: unused,
    runs: () => ok([]),
    run: () => fail('no-such-run', 'none'),
  }
  return {
    runs,
    status: () => ({ protocolVersion: 1, version: '0', role: 'system', pid: 1, startedAtMs: 0, openRunId: null }),
    probe: unused,
    snapshot: unused,
    evidence: unused,
    reclaim: (uid, processes) => {
      done.push(`reclaim ${uid} ${processes.map((process) => process.pid).join()}`)
      return ok({ processes: [], tookMs: 0 })
    },
    dropCaches: (level) => {
      done.push(`drop ${level}`)
      return ok({ availableBeforeBytes: 0, availableAfterBytes: 0, tookMs: 0 })
    },
    agents: {
      suspend: ({ uid }, { agent }) => {
        done.push(`suspend ${uid} ${agent.id}`)
        return fail('not-supported', 'no swap')
      },
      resume: (uid, { agentIds }) => {
        done.push(`resume ${uid} ${agentIds?.length ?? 'all'}`)
        return ok({ resumed: [], left: [] })
      },
      held: unused,
      limit: ({ uid }, { agent }) => {
        done.push(`limit ${uid} ${agent?.id ?? 'all'}`)
        return fail('not-supported', 'no controller')
      },
      trim: (uid, { mostBytes }) => {
        done.push(`trim ${uid} ${mostBytes}`)
        return ok({ wonBytes: 0, tookMs: 0, stoppedBy: null })
      },
    },
    trace: ({ uid, sender }, { id, process, seconds }) => {
      done.push(`trace ${uid} ${sender} ${id} ${process?.pid ?? 'all'} ${seconds}`)
      return ok({ id, seconds, text: '', truncated: false, table: null })
    },
    ownerOf: ({ pid }) => (pid === 3 ? null : pid === 2 ? UID : 0),
    own: (runId, { sender }) => done.push(`own ${runId} ${sender}`),
    follow: (runId, { sender }) => done.push(`follow ${runId} ${sender}`),
    expectRun: ({ sender }) => {
      done.push(`expect ${sender}`)
      return () => done.push(`end ${sender}`)
    },
  }
}

const setUp = (standing: Partial<Record<PolkitAction, Standing>> = {}) => {
  const done: string[] = []
  const asked: string[] = []
  const audited: string[] = []
  const dispatch = createDispatcher(fakeServices(done), fakeAuthoriser(standing, asked), (caller: Caller, method, result) => audited.push(`${caller.uid} ${method} ${result.ok}`))
  const send = async (method: string, request: unknown, more: Partial<Call> = {}) => JSON.parse(await dispatch({ sender: ':1.5', method, text: JSON.stringify(request), mayAsk: false, ...more })) as Result<unknown>
  return { send, done, asked, audited }
}

const target = (pid: number) => ({ id: `${BOOT}:${pid}:1`, title: 'A', idleMs: null, processes: [{ pid, startTimeTicks: 1 }] })

describe('actions of a request', () => {
  test('Apply needs those of what its settings contain', () => {
    const request = { ...applyRequest, cause: 'user-preset' as const }
    expect(actionsOf('Apply', request)).toEqual(['org.agentmem.change-layers'])
    expect(actionsOf('Apply', { ...request, settings: { reclaim: { minIdleMs: 0 } } })).toEqual(['org.agentmem.change-layers', 'org.agentmem.reclaim'])
    expect(actionsOf('Apply', { ...request, settings: { pruneCache: { level: 1 }, reclaim: { minIdleMs: 0 } } })).toEqual(['org.agentmem.change-layers', 'org.agentmem.reclaim', 'org.agentmem.drop-caches'])
    expect(actionsOf('Status', {})).toEqual(['org.agentmem.look'])
  })
})

describe('authorisation', () => {
  test('what polkit allows is done without a dialog', async () => {
    const { send, done, asked } = setUp()
    expect(await send('Rollback', {}, { mayAsk: true })).toEqual(ok([]))
    expect(done).toEqual([`rollback ${UID}`])
    expect(asked).toEqual(['org.agentmem.change-layers'])
  })

  test('a dialog is opened only where the caller allows it', async () => {
    const quiet = setUp({ 'org.agentmem.change-layers': 'password' })
    expect(await quiet.send('Rollback', {})).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(quiet.done).toEqual([])
    const asking = setUp({ 'org.agentmem.change-layers': 'password' })
    expect(await asking.send('Rollback', {}, { mayAsk: true })).toEqual(ok([]))
  })

  test('looking never opens a dialog', async () => {
    const { send, asked } = setUp({ 'org.agentmem.look': 'password' })
    expect(await send('Status', {}, { mayAsk: true })).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(asked).toEqual(['org.agentmem.look'])
  })

  test('dismissed, denied and a wrong password stay apart, and nothing is done', async () => {
    for (const [standing, code] of [['dismisses', 'authorization-dismissed'], ['no', 'authorization-denied'], ['mistypes', 'authorization-denied']] as const) {
      const { send, done } = setUp({ 'org.agentmem.drop-caches': standing })
      expect(await send('DropCaches', { level: 1 }, { mayAsk: true }), standing).toMatchObject({ ok: false, error: { code } })
      expect(done, standing).toEqual([])
    }
    const { send } = setUp({ 'org.agentmem.drop-caches': 'mistypes' })
    expect(await send('DropCaches', { level: 1 }, { mayAsk: true })).toMatchObject({ error: { message: expect.stringContaining('password') } })
  })

  test('nobody types a password for a request that is denied anyway', async () => {
    const { send, asked, done } = setUp({ 'org.agentmem.change-layers': 'password', 'org.agentmem.drop-caches': 'no' })
    expect(await send('Apply', { ...applyRequest, settings: { pruneCache: { level: 1 } } }, { mayAsk: true })).toMatchObject({ error: { code: 'authorization-denied' } })
    expect(asked.filter((question) => question.endsWith('dialog'))).toEqual([])
    expect(done).toEqual([])
  })

  test('a caller who has left is refused before anything is asked', async () => {
    const { send, asked } = setUp()
    expect(await send('Rollback', {}, { sender: ':gone' })).toMatchObject({ error: { code: 'authorization-denied' } })
    expect(asked).toEqual([])
  })

  test('changing requests are written down with their outcome, looking is not', async () => {
    const { send, audited } = setUp({ 'org.agentmem.drop-caches': 'no' })
    await send('Status', {})
    await send('Rollback', {})
    await send('DropCaches', { level: 1 })
    expect(audited).toEqual([`${UID} Rollback true`, `${UID} DropCaches false`])
  })
})

describe('requests', () => {
  test.each([
    ['Status', 'nothing', /not JSON/u],
    ['Status', '[]', /Status/u],
    ['Status', '{"a":1}', /"a"/u],
    ['DropCaches', '{"level":"1"}', /level/u],
    ['Reclaim', '{"processes":[{"pid":2,"startTimeTicks":1,"path":"/x"}],"advice":"cold"}', /path/u],
    ['Apply', JSON.stringify({ ...applyRequest, digest: 'short' }), /digest/u],
  ])('%s %s is a bad request', async (method, text, message) => {
    const { send, done, asked } = setUp()
    const answer = await send(method, null, { text })
    expect(answer).toMatchObject({ ok: false, error: { code: 'bad-request', message: expect.stringMatching(message) } })
    // Nobody is asked about, and nothing is done for, what cannot be understood.
    expect([...done, ...asked]).toEqual([])
  })

  test('there are no requests but those of the contract', async () => {
    const { send } = setUp()
    for (const method of ['constructor', '__proto__', 'toString', 'status']) expect(await send(method, {}), method).toMatchObject({ error: { code: 'bad-request' } })
  })

  test("another user's process is refused wherever it is named; a gone one is not held against the caller", async () => {
    const { send, done } = setUp()
    const refused: [string, object][] = [
      ['Reclaim', { processes: [{ pid: 2, startTimeTicks: 1 }, { pid: 1, startTimeTicks: 1 }], advice: 'pageout' }],
      ['Plan', { settings: {}, agents: [target(1)] }],
      ['Apply', { ...applyRequest, agents: [target(1)] }],
      ['Apply', { ...applyRequest, control: [target(2), target(1)] }],
    ]
    for (const [method, request] of refused) expect(await send(method, request), method).toMatchObject({ error: { code: 'not-yours', about: '1' } })
    expect(done).toEqual([])
    expect(await send('Reclaim', { processes: [{ pid: 2, startTimeTicks: 1 }, { pid: 3, startTimeTicks: 1 }], advice: 'cold' })).toMatchObject({ ok: true })
    expect(done).toEqual([`reclaim ${UID} 2,3`])
  })

  test('no request makes the helper look up processes without end', async () => {
    const { send } = setUp()
    const big = Array.from({ length: 40 }, (_, at) => ({ ...target(3), id: `${BOOT}:${at + 1}:1`, processes: Array.from({ length: 512 }, () => ({ pid: 1, startTimeTicks: 1 })) }))
    expect(await send('Plan', { settings: {}, agents: big })).toMatchObject({ ok: false, error: { code: 'bad-request', got: '20480' } })
  })

  test('the caller of Apply is expected before the run begins, and owns it afterwards', async () => {
    const { send, done } = setUp()
    expect(await send('Apply', applyRequest)).toEqual(ok({ runId: RUN }))
    expect(done).toEqual(['expect :1.5', `apply ${UID} true`, `own ${RUN} :1.5`, 'end :1.5'])
  })

  test('Undo carries its cause', async () => {
    const { send, done } = setUp()
    await send('Undo', { runId: null, cause: 'user-undo' })
    expect(done).toEqual([`undo ${UID} null user-undo`])
  })
})

describe('agents', () => {
  const cause = 'user'
  test('only ones own are suspended, limited and trimmed, each named by its top process', async () => {
    const { send, done } = setUp()
    for (const [method, more] of [['Suspend', { cause }], ['Limit', { limits: {}, cause }], ['Trim', { mostBytes: 5 }]] as const) {
      expect(await send(method, { agent: target(1), ...more })).toMatchObject({ error: { code: 'not-yours' } })
      expect(await send(method, { agent: { ...target(2), id: `${BOOT}:2:9` }, ...more })).toMatchObject({ error: { code: 'bad-request' } })
      await send(method, { agent: target(2), ...more })
    }
    expect(await send('Limit', { agent: null, limits: {}, cause })).toMatchObject({ error: { code: 'not-supported' } })
    expect(done).toEqual([`suspend ${UID} ${BOOT}:2:1`, `limit ${UID} ${BOOT}:2:1`, `trim ${UID} 5`, `limit ${UID} all`])
  })

  test('looking deeper is for one\'s own processes, asks for its own permission and is written down', async () => {
    const { send, done, asked, audited } = setUp({ 'org.agentmem.trace': 'password' })
    const request = { id: 'perf.page-faults', process: { pid: 2, startTimeTicks: 5 }, seconds: 5 }
    expect(await send('TraceRun', request)).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(done).toEqual([])
    expect(await send('TraceRun', request, { mayAsk: true })).toMatchObject({ ok: true })
    expect(await send('TraceRun', { ...request, process: { pid: 1, startTimeTicks: 5 } }, { mayAsk: true })).toMatchObject({ ok: false, error: { code: 'not-yours' } })
    expect(done).toEqual(['trace 1000 :1.5 perf.page-faults 2 5'])
    expect(asked).toContain('org.agentmem.trace with dialog')
    expect(audited).toEqual(['1000 TraceRun false', '1000 TraceRun true', '1000 TraceRun false'])
  })

  test.each([
    ['an id with more in it', { id: 'perf.page-faults; reboot' }],
    ['an id of no tool', { id: 'sh.anything' }],
    ['a path for an id', { id: '../../bin/sh' }],
    ['an id without end', { id: `perf.${'a'.repeat(100_000)}` }],
    ['text for a time', { seconds: '5' }],
    ['a broken time', { seconds: 1.5 }],
    ['too short a time', { seconds: 0 }],
    ['too long a time', { seconds: 61 }],
    ['a time without end', { seconds: 1e308 }],
    ['text for a process', { process: { pid: '2', startTimeTicks: 5 } }],
    ['options for a process', { process: { pid: '2 -a', startTimeTicks: 5 } }],
    ['a process without its start', { process: { pid: 2 } }],
    ['every process', { process: { pid: -1, startTimeTicks: 5 } }],
    ['a file to write to', { output: '/etc/passwd' }],
    ['a script of its own', { script: 'BEGIN { system("id") }' }],
  ])('looking deeper with %s is refused before anybody is asked', async (_, more) => {
    const { send, done, asked } = setUp()
    expect(await send('TraceRun', { id: 'perf.page-faults', process: null, seconds: 5, ...more })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect([done, asked]).toEqual([[], []])
  })

  test('thawing needs no more than looking, and is told to the log', async () => {
    const { send, done, asked, audited } = setUp({ 'org.agentmem.agents': 'no' })
    expect(await send('Suspend', { agent: target(2), cause })).toMatchObject({ error: { code: 'authorization-denied' } })
    expect(await send('Resume', { agentIds: null, cause })).toMatchObject({ ok: true })
    expect(done).toEqual([`resume ${UID} all`])
    expect(asked).toEqual(['org.agentmem.agents', 'org.agentmem.look'])
    expect(audited).toEqual([`${UID} Suspend false`, `${UID} Resume true`])
  })
})
