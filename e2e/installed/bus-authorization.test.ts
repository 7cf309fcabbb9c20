import { describe, expect, test } from 'vitest'
import { processRef } from '../fixtures/fleet/processes.ts'
import { ALLOWED, DENIED, ORDINARY, applyRequest, problem, title, useBus } from './bus-place.ts'

describe.skipIf(problem !== null)(title('authorisation by a real polkitd'), () => {
  const { as, start } = useBus()

  test('an allowed user is not asked', async () => {
    await start()
    const caller = await as(ALLOWED)
    await caller.answerDialogs('cancel')
    expect(await caller.call('Rollback', {}, { mayAsk: true })).toEqual({ ok: true, value: [] })
    expect(await caller.dialogs()).toEqual([])
  })

  test('a denied user is refused by every request, with the action named', async () => {
    await start()
    const caller = await as(DENIED)
    for (const [method, request, action] of [['Status', {}, 'look'], ['Rollback', {}, 'change-layers'], ['Reclaim', { processes: [{ pid: 1, startTimeTicks: 1 }], advice: 'cold' }, 'reclaim'], ['DropCaches', { level: 1 }, 'drop-caches']] as const) {
      expect(await caller.call(method, request, { mayAsk: true })).toMatchObject({ ok: false, error: { code: 'authorization-denied', about: `org.agentmem.${action}` } })
    }
  })

  test('without leave to ask, a password is obtainable', async () => {
    await start()
    const caller = await as(ORDINARY)
    await caller.answerDialogs('cancel')
    expect(await caller.call('Rollback', {})).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(await caller.dialogs()).toEqual([])
  })

  test('where no dialog can be shown, a password stays obtainable and the advice says how', async () => {
    await start()
    const caller = await as(ORDINARY)
    const answer = await caller.call('Rollback', {}, { mayAsk: true })
    expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(answer.error?.advice).toContain('pkttyagent')
  })

  test('a closed dialog is dismissed, a wrong password denied', async () => {
    await start()
    const closing = await as(ORDINARY)
    await closing.answerDialogs('cancel')
    expect(await closing.call('Rollback', {}, { mayAsk: true })).toMatchObject({ ok: false, error: { code: 'authorization-dismissed' } })
    expect(await closing.dialogs()).toEqual(['org.agentmem.change-layers'])
    const mistyping = await as(ORDINARY)
    await mistyping.answerDialogs('wrong-password')
    const answer = await mistyping.call('Rollback', {}, { mayAsk: true })
    expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
    expect(answer.error?.message).toContain('password')
  })

  test('the right password is asked for once, and covers reclaim but not dropping caches', async () => {
    await start()
    const root = await as(0)
    const caller = await as(ORDINARY)
    await caller.answerDialogs('right-password')
    const answer = caller.call('Rollback', {}, { mayAsk: true })
    const dialog = await caller.waitForSignal((heard) => heard.signal === 'dialog')
    const { cookie } = dialog.payload as { cookie: string }
    await root.vouch(ORDINARY, cookie)
    await caller.finishDialog()
    expect(await answer).toEqual({ ok: true, value: [] })

    expect(await caller.call('Rollback', {})).toMatchObject({ ok: true })
    const own = processRef(caller.pid)
    expect(await caller.call('Reclaim', { processes: [own], advice: 'cold' })).toMatchObject({ ok: true })
    expect(await caller.call('DropCaches', { level: 1 })).toMatchObject({ ok: false, error: { code: 'authorization-obtainable', about: 'org.agentmem.drop-caches' } })
    expect(await caller.dialogs()).toEqual(['org.agentmem.change-layers'])
  })

  test('Apply asks for the actions of what it contains', async () => {
    await start()
    const caller = await as(ORDINARY)
    const apply = { ...applyRequest, settings: { pruneCache: { level: 1 } } }
    await caller.answerDialogs('cancel')
    await caller.call('Apply', apply, { mayAsk: true })
    expect(await caller.dialogs()).toEqual(['org.agentmem.change-layers'])
    const root = await as(0)
    const second = await as(ORDINARY)
    await second.answerDialogs('right-password')
    const answer = second.call('Apply', apply, { mayAsk: true })
    const layers = await second.waitForSignal((heard) => heard.signal === 'dialog')
    await root.vouch(ORDINARY, (layers.payload as { cookie: string }).cookie)
    await second.finishDialog()
    const caches = await second.waitForSignal((heard) => heard.signal === 'dialog' && (heard.payload as { action: string }).action === 'org.agentmem.drop-caches')
    await root.vouch(ORDINARY, (caches.payload as { cookie: string }).cookie)
    await second.finishDialog()
    // Both passwords given: what remains is that no such plan was shown.
    expect(await answer).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
  })
})
