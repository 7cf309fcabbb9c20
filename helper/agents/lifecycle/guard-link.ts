import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { GuardWord } from '../../contract/lifecycle.ts'
import type { Woken } from '../../guard/protocol.ts'
import type { Guard } from './types.ts'

/** One connection to the guard for everything in this program that needs it. */
export interface GuardLink {
  /** Connected; the guard is started where it does not run. */
  get(): Promise<Result<Guard>>
  /**
   * Connected, and asked this. A guard that holds nothing ends by itself, which
   * may be at this very moment: then the next one is asked the same.
   */
  use<T>(request: (guard: Guard) => Promise<Result<T>>): Promise<Result<T>>
  /** Only if it runs: null where it does not. Fails where it runs and does not take us: it serves another helper. */
  ifRunning(): Promise<Result<Guard | null>>
  /** The same, with null for one that does not take us. */
  running(): Promise<Guard | null>
  /** This program ends, what is held stays held. */
  leave(): Promise<void>
  onWoke(listener: (woken: Woken) => void): void
  onWord(listener: (word: GuardWord) => void): void
  onLost(listener: () => void): void
}

/** Connects when first needed; after the guard has ended the next need starts a new one. */
export const createGuardLink = (connect: (onlyRunning: boolean) => Promise<Result<Guard>>): GuardLink => {
  let guard: Guard | null = null
  let coming: Promise<Result<Guard>> | null = null
  let left = false
  const woke: ((woken: Woken) => void)[] = []
  const word: ((word: GuardWord) => void)[] = []
  const lost: (() => void)[] = []

  const open = async (onlyRunning: boolean): Promise<Result<Guard>> => {
    const connected = await connect(onlyRunning)
    if (!connected.ok) return connected
    const found = connected.value
    guard = found
    found.onWoke((it) => { for (const listener of woke) listener(it) })
    found.onWord((it) => { for (const listener of word) listener(it) })
    found.onClosed((clean) => {
      if (guard === found) guard = null
      if (!clean) for (const listener of lost) listener()
    })
    return connected
  }

  const get = async (onlyRunning: boolean): Promise<Result<Guard>> => {
    if (left) return fail('helper-gone', 'The helper is about to end.')
    if (guard !== null) return ok(guard)
    // Two needs at once share one connection: the guard serves one helper.
    const before = coming
    if (before !== null) {
      const there = await before
      // Several may have waited for it: the first opens anew, the others share that.
      return there.ok || onlyRunning ? there : get(onlyRunning)
    }
    const mine = open(onlyRunning).finally(() => {
      if (coming === mine) coming = null
    })
    coming = mine
    return mine
  }

  const ifRunning = async (): Promise<Result<Guard | null>> => {
    const there = await get(true)
    return there.ok || (there.error.code !== 'helper-missing' && there.error.code !== 'helper-gone') ? there : ok(null)
  }

  return {
    get: () => get(false),
    use: async (request) => {
      const first = await get(false)
      if (!first.ok) return first
      const answer = await request(first.value)
      if (answer.ok || answer.error.code !== 'helper-gone' || guard === first.value) return answer
      const next = await get(false)
      return next.ok ? request(next.value) : next
    },
    ifRunning,
    running: async () => {
      const there = await ifRunning()
      return there.ok ? there.value : null
    },
    leave: async () => {
      left = true
      await guard?.leave()
      guard = null
    },
    onWoke: (listener) => void woke.push(listener),
    onWord: (listener) => void word.push(listener),
    onLost: (listener) => void lost.push(listener),
  }
}
