import { Variant } from 'dbus-next'
import { expect, test } from 'vitest'
import { createAuthoriser } from './authorize.ts'
import type { BusClient } from './bus.ts'
import { fail, ok } from './contract/result.ts'
import type { Result } from './contract/errors.ts'

interface Asked { member: string; body: unknown[] }

const busThat = (answer: (asked: Asked) => Result<unknown[]> | Promise<Result<unknown[]>>, asked: Asked[] = []): BusClient => ({
  call: async ({ member }, _signature, body) => {
    asked.push({ member, body })
    return answer({ member, body })
  },
})

const caller = { sender: ':1.7', uid: 1000, pid: 42 }
const check = (reply: Result<unknown[]>, mayAsk = false, who = caller) => createAuthoriser(busThat(() => reply)).check(who, 'org.agentmem.change-layers', mayAsk)
const answered = (authorised: boolean, challenge: boolean, details: Record<string, string> = {}) => ok([[authorised, challenge, details]])

test('who the caller is comes from the bus daemon', async () => {
  const credentials = ok([{ UnixUserID: new Variant('u', 1000), ProcessID: new Variant('u', 42) }])
  expect(await createAuthoriser(busThat(() => credentials)).identify(':1.7')).toEqual(ok(caller))
})

test('a caller without a user id is refused', async () => {
  expect(await createAuthoriser(busThat(() => ok([{ ProcessID: new Variant('u', 42) }]))).identify(':1.7')).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
  expect(await createAuthoriser(busThat(() => fail('internal', 'no such name'))).identify(':1.7')).toMatchObject({ ok: false })
})

test('polkit is asked about the bus name, and to open a dialog only when allowed', async () => {
  const asked: Asked[] = []
  const authoriser = createAuthoriser(busThat(() => answered(true, false), asked))
  await authoriser.check(caller, 'org.agentmem.reclaim', false)
  await authoriser.check(caller, 'org.agentmem.reclaim', true)
  expect(asked.map(({ body }) => [body[0], body[1], body[3]])).toEqual([
    [['system-bus-name', { name: new Variant('s', ':1.7') }], 'org.agentmem.reclaim', 0],
    [['system-bus-name', { name: new Variant('s', ':1.7') }], 'org.agentmem.reclaim', 1],
  ])
})

test('the three refusals differ', async () => {
  expect(await check(answered(true, false))).toEqual(ok(null))
  expect(await check(answered(false, false))).toMatchObject({ error: { code: 'authorization-denied' } })
  expect(await check(answered(false, true))).toMatchObject({ error: { code: 'authorization-obtainable' } })
  expect(await check(answered(false, false, { 'polkit.dismissed': 'true' }), true)).toMatchObject({ error: { code: 'authorization-dismissed' } })
})

test('an answer of another form is no permission', async () => {
  for (const reply of [ok([]), ok(['true']), ok([[1, 0, {}]]), ok([null])]) expect(await check(reply)).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
})

test('without polkit everybody is denied with what to install, but root', async () => {
  const missing = fail('internal', 'nobody', { got: 'org.freedesktop.DBus.Error.ServiceUnknown' })
  expect(await check(missing)).toMatchObject({ error: { code: 'authorization-denied', advice: expect.stringContaining('polkitd') } })
  expect(await check(missing, false, { ...caller, uid: 0 })).toEqual(ok(null))
})

test('an action polkit does not know asks for installing again', async () => {
  const unknown = fail('internal', 'Action is not registered', { got: 'org.freedesktop.PolicyKit1.Error.Failed' })
  expect(await check(unknown)).toMatchObject({ error: { code: 'authorization-denied', advice: expect.stringContaining('Install the helper again') } })
})

test('open dialogs of a caller that left are taken away, and only those', async () => {
  const asked: Asked[] = []
  const dialog = Promise.withResolvers<Result<unknown[]>>()
  const authoriser = createAuthoriser(busThat(({ member }) => (member === 'CheckAuthorization' ? dialog.promise : ok([])), asked))
  const first = authoriser.check(caller, 'org.agentmem.reclaim', true)
  const other = authoriser.check({ ...caller, sender: ':1.8' }, 'org.agentmem.reclaim', true)
  const silent = authoriser.check(caller, 'org.agentmem.look', false)
  authoriser.forget(':1.7')
  authoriser.forget(':1.9')
  const cancelled = asked.filter(({ member }) => member === 'CancelCheckAuthorization').map(({ body }) => body[0])
  expect(cancelled).toEqual([asked[0]?.body[4]])
  expect(cancelled[0]).not.toBe('')
  dialog.resolve(answered(false, false, { 'polkit.dismissed': 'true' }))
  await Promise.all([first, other, silent])
  authoriser.forget(':1.7')
  expect(asked.filter(({ member }) => member === 'CancelCheckAuthorization')).toHaveLength(1)
})

test('leave to act on agents is asked for once a connection, any other each time', async () => {
  const asked: Asked[] = []
  const authoriser = createAuthoriser(busThat(() => answered(true, false), asked))
  for (const action of ['org.agentmem.agents', 'org.agentmem.agents', 'org.agentmem.reclaim', 'org.agentmem.reclaim'] as const) expect(await authoriser.check(caller, action, false)).toEqual(ok(null))
  expect(asked.map(({ body }) => body[1])).toEqual(['org.agentmem.agents', 'org.agentmem.reclaim', 'org.agentmem.reclaim'])
  await authoriser.check({ ...caller, sender: ':1.8' }, 'org.agentmem.agents', false)
  authoriser.forget(caller.sender)
  await authoriser.check(caller, 'org.agentmem.agents', false)
  await authoriser.check({ ...caller, sender: ':1.8' }, 'org.agentmem.agents', false)
  expect(asked.slice(3).map(({ body }) => (body[0] as [string, { name: Variant }])[1].name.value)).toEqual([':1.8', ':1.7'])
})

test('a refusal to act on agents is not remembered', async () => {
  const asked: Asked[] = []
  const replies = [answered(false, true), answered(true, false)]
  const authoriser = createAuthoriser(busThat(() => replies.shift() ?? answered(false, false), asked))
  expect(await authoriser.check(caller, 'org.agentmem.agents', false)).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
  expect(await authoriser.check(caller, 'org.agentmem.agents', false)).toEqual(ok(null))
  expect(await authoriser.check(caller, 'org.agentmem.agents', false)).toEqual(ok(null))
  expect(asked).toHaveLength(2)
})
