import { describe, expect, it, vi } from 'vitest'
import { callNames, type CallName } from '../../contract/channels.ts'
import { defaultSettings } from '../../contract/settings.ts'
import { dispatch, isCallName } from './dispatch.ts'
import { createHandlers, type HandlerDeps, type Handlers } from './handlers.ts'

/** Handlers over nothing: enough to ask which there are. */
const handlers = createHandlers({ history: {}, settings: {}, presets: {}, sampler: {}, runs: {}, system: {} } as HandlerDeps)
const withHandler = (name: CallName, handler: (request: never) => unknown): Handlers => ({ ...handlers, [name]: handler })

describe('dispatch', () => {
  it('has a handler for every call of the contract, and no other', () => {
    expect(Object.keys(handlers).toSorted()).toEqual(callNames.toSorted())
  })

  it('knows calls from events and from names of objects', () => {
    expect(isCallName('live.get')).toBe(true)
    for (const name of ['live', 'progress', 'constructor', '__proto__', '']) expect(isCallName(name)).toBe(false)
  })

  it('refuses a request that does not fit before any handler sees it', async () => {
    const handler = vi.fn()
    const answer = await dispatch(withHandler('run.keep', handler), 'run.keep', { runId: '../../etc/passwd' })
    expect(answer).toMatchObject({ ok: false, error: { code: 'bad-request', about: 'run.keep' } })
    expect(await dispatch(withHandler('settings.get', handler), 'settings.get', { more: 1 })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(handler).not.toHaveBeenCalled()
  })

  it('turns an exception into "internal" with the text to report', async () => {
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => {})
    const answer = await dispatch(withHandler('settings.get', () => { throw new Error('a bug') }), 'settings.get', {})
    expect(answer).toMatchObject({ ok: false, error: { code: 'internal', got: expect.stringContaining('a bug') } })
    quiet.mockRestore()
  })

  it('lets no answer of a wrong form reach a window', async () => {
    const wrong = { ok: true, value: { settings: { ...defaultSettings, theme: 'pink' }, problem: null } }
    expect(await dispatch(withHandler('settings.get', async () => wrong), 'settings.get', {})).toMatchObject({ ok: false, error: { code: 'internal' } })
  })

  it('passes a failure on as it is', async () => {
    const busy = { ok: false, error: { code: 'busy', message: 'Another run is open.', runId: '20261121T093005Z-1a2b3c4d' } }
    expect(await dispatch(withHandler('run.apply', async () => busy), 'run.apply', { presetId: 'balanced', digest: 'x', agentIds: null })).toEqual(busy)
  })
})
