import { afterEach, beforeEach, expect, test } from 'vitest'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { RootEvidence } from '../../../helper/contract/evidence.ts'
import { makeRoot, type MadeRoot } from '../../../helper/test/proc-tree.ts'
import { machineLook, type MachineLookDeps } from './machine-look.ts'

let made: MadeRoot
beforeEach(() => {
  made = makeRoot()
})
afterEach(() => {
  made.remove()
})

const view: RootEvidence = { zswapDebug: { pool_limit_hit: 3 }, zones: [], slab: { value: [{ name: 'dentry', bytes: 8_388_608, activeObjects: 1000, objects: 1000 }] }, kernelMessages: { value: [] } }

const looking = (state: 'ready' | 'not-installed', uid: number, answer: unknown = ok(view), agents: unknown = ok([])) => {
  const asked: string[] = []
  const system = { state: () => ({ system: state, systemVersion: null }), call: (method: string) => { asked.push(method); return Promise.resolve(answer) } } as unknown as MachineLookDeps['system']
  const session = { call: () => Promise.resolve(fail('helper-missing', 'none')) } as unknown as MachineLookDeps['session']
  const look = machineLook({ root: made.root, sampler: { agents: () => Promise.resolve(agents) } as MachineLookDeps['sampler'], session, system, uid })
  return { asked, look }
}
const slabOf = async (look: ReturnType<typeof looking>['look']): Promise<unknown> => {
  const taken = await look()
  return taken.ok ? taken.value.slab : taken
}

test('a user\'s look holds what the helper can read, which is asked once a minute', async () => {
  const { asked, look } = looking('ready', 1000)
  expect(await slabOf(look)).toEqual(view.slab)
  expect(await slabOf(look)).toEqual(view.slab)
  expect(asked).toEqual(['EvidenceLook'])
})

test.each([['without a helper', 'not-installed', 1000, undefined, []], ['with an older one', 'ready', 1000, fail('bad-request', 'no such method'), ['EvidenceLook']], ['as root', 'ready', 0, undefined, []]] as const)('%s the machine is looked at all the same', async (_name, state, uid, answer, calls) => {
  const { asked, look } = looking(state, uid, answer)
  expect(await slabOf(look)).toMatchObject({ value: null, reason: 'not-supported' })
  expect(asked).toEqual(calls)
})

test.each([['were found', ok([]), true], ['could not be asked for', fail('helper-missing', 'none'), false]] as const)('a look says whether agents %s', async (_name, agents, known) => {
  expect(await looking('not-installed', 1000, undefined, agents).look()).toMatchObject({ ok: true, value: { agentsKnown: known, agents: [] } })
})
