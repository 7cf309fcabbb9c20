import { EventEmitter } from 'node:events'
import { beforeEach, expect, it, vi } from 'vitest'
import type { GuardWord } from '../../helper/contract/lifecycle.ts'
import type { App } from '../app/app.ts'
import { openHistoryInMemory } from '../app/history/open.ts'
import { sampleEvent } from '../app/lifecycle/sample.ts'
import { notifyWords } from './notifications.ts'

const shown = vi.hoisted((): { title: string; body: string; click: () => void }[] => [])
vi.mock('electron', () => ({
  Notification: class {
    readonly #one
    constructor(text: { title: string; body: string }) { this.#one = { ...text, click: () => {} } }
    static isSupported(): boolean { return true }
    on(_: 'click', listener: () => void): void { this.#one.click = listener }
    show(): void { shown.push(this.#one) }
  },
}))

const NOW = 1_000 * 3600_000
const word = (seq: number, atMs: number, text: string) => {
  const one: GuardWord = { atMs, what: 'pressure', text, runId: null, agentId: null, uid: null }
  return sampleEvent(seq, null, { word: one })
}
/** As much of an app as notifications ask for. */
const make = () => {
  const history = openHistoryInMemory({ code: 'internal', message: 'test' })
  const events = new EventEmitter()
  const app = { inner: { history }, on: (name: string, listener: () => void) => { events.on(name, listener); return () => { events.off(name, listener) } } } as Pick<App, 'on'> & { inner: Pick<App['inner'], 'history'> } as App
  return { app, history, look: () => events.emit('lifecycle') }
}
beforeEach(() => { shown.length = 0 })

it('shows each word once, those from before the app ran too, but no old ones', () => {
  const { app, history, look } = make()
  history.writer.takeLifecycle('a', [word(1, NOW - 24 * 3600_000, 'yesterday'), word(2, NOW - 3600_000, 'an hour ago')], NOW)
  const pages: string[] = []
  notifyWords(app, { isLooking: () => false, show: (page) => { pages.push(page) }, now: () => NOW })
  look()
  look()
  expect(shown).toMatchObject([{ title: 'Memory is short', body: 'an hour ago' }])
  shown[0]?.click()
  expect(pages).toEqual(['history'])
  history.writer.takeLifecycle('a', [word(3, NOW, 'now')], NOW)
  look()
  expect(shown.map((one) => one.body)).toEqual(['an hour ago', 'now'])
})

it('leaves it to the window while that is looked at, and does not repeat it later', () => {
  const { app, history, look } = make()
  let looking = true
  const stop = notifyWords(app, { isLooking: () => looking, show: () => {}, now: () => NOW })
  history.writer.takeLifecycle('a', [word(1, NOW, 'seen in the window')], NOW)
  look()
  looking = false
  look()
  expect(shown).toEqual([])
  stop()
  history.writer.takeLifecycle('a', [word(2, NOW, 'after the end')], NOW)
  look()
  expect(shown).toEqual([])
})
