import { writeFileSync } from 'node:fs'
import { fail, ok } from '../../../contract/result.ts'
import type { GuardWord, LifecycleCause } from '../../../contract/lifecycle.ts'
import { known } from '../../../contract/known.ts'
import type { HoldRequest, Woken } from '../../../guard/protocol.ts'
import type { Guard } from '../types.ts'

export interface FakeGuard extends Guard {
  /** What it was asked, in order: "hold ID", "frozen ID", "wake ID CAUSE" ... */
  readonly asked: string[]
  readonly holds: Map<string, HoldRequest>
  /** As if somebody typed, or memory got short: thaws by itself and says so. */
  wakeByItself(id: string, cause: LifecycleCause): void
  say(word: GuardWord): void
  /** As if it had been killed: thaws nothing. */
  die(): void
}

/** A guard inside this process: it holds, thaws and says what the real one does, without its watching. */
export const createFakeGuard = ({ root = '/', refuse = null }: { root?: string; refuse?: 'hold' | 'arm' | null } = {}): FakeGuard => {
  const asked: string[] = []
  const holds = new Map<string, HoldRequest>()
  const words: GuardWord[] = []
  const runs = new Set<string>()
  const onWord: ((word: GuardWord) => void)[] = []
  const onWoke: ((woken: Woken) => void)[] = []
  const onClosed: ((clean: boolean) => void)[] = []
  let dead = false
  const gone = fail('helper-gone', 'The guard has ended.')
  const thaw = (id: string, cause: LifecycleCause): boolean => {
    const hold = holds.get(id)
    if (hold === undefined) return false
    holds.delete(id)
    writeFileSync(root === '/' ? hold.freezePath : `${root}${hold.freezePath}`, '0')
    for (const listener of onWoke) listener({ agentId: id, cause, prefaultedBytes: 0, tookMs: 1 })
    return true
  }
  return {
    asked,
    holds,
    hold: async (request) => {
      if (dead) return gone
      asked.push(`hold ${request.id}`)
      if (refuse === 'hold') return fail('write-refused', 'The guard refused: as told.')
      holds.set(request.id, request)
      return ok(null)
    },
    frozen: async (id) => {
      if (dead) return gone
      asked.push(`frozen ${id}`)
      return holds.has(id) ? ok(null) : fail('no-such-run', 'The guard refused: unknown.')
    },
    release: async (id) => {
      if (dead) return gone
      asked.push(`release ${id}`)
      return holds.delete(id) ? ok(null) : fail('no-such-run', 'The guard refused: unknown.')
    },
    wake: async (id, cause) => {
      if (dead) return gone
      asked.push(`wake ${id} ${cause}`)
      return thaw(id, cause) ? ok({ prefaultedBytes: 0, tookMs: 1 }) : fail('no-such-run', 'The guard refused: unknown.')
    },
    armRun: async ({ runId }) => {
      asked.push(`arm ${runId}`)
      if (refuse === 'arm') return fail('write-refused', 'The guard refused: as told.')
      runs.add(runId)
      return ok(null)
    },
    doneRun: async (runId) => {
      asked.push(`done ${runId}`)
      runs.delete(runId)
      return ok(null)
    },
    holder: async ({ uid, pid }) => {
      asked.push(`holder ${uid} ${pid}`)
      return ok(null)
    },
    status: async () => (dead ? gone : ok({ running: true, pid: process.pid, pssBytes: known(0), runs: runs.size, agents: holds.size, words, held: [...holds.keys()], runIds: [...runs] })),
    leave: async () => {
      asked.push('leave')
    },
    onWord: (listener) => void onWord.push(listener),
    onWoke: (listener) => void onWoke.push(listener),
    onClosed: (listener) => void onClosed.push(listener),
    wakeByItself: (id, cause) => void thaw(id, cause),
    say: (word) => {
      words.push(word)
      for (const listener of onWord) listener(word)
    },
    die: () => {
      dead = true
      for (const listener of onClosed) listener(false)
    },
  }
}
