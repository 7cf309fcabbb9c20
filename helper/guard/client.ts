import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentId } from '../contract/agents.ts'
import type { ErrorCode, Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import type { GuardStatus, GuardWord, LifecycleCause } from '../contract/lifecycle.ts'
import { known, missing } from '../contract/known.ts'
import {
  GUARD_PROTOCOL_VERSION, guardStatusAnswerSchema, holdLines, parseCost, parseGuardLine, runLines,
  type ArmRunRequest, type HolderRequest, type HoldRequest, type Woken,
} from './protocol.ts'
import { startGuard, type GuardProgram } from './start.ts'

/** As the guard sees it: `held` are the agents to be adopted. */
export type GuardState = GuardStatus & { held: string[] }

export interface GuardClient {
  /** The guard opens everything it needs; only then may the tree be frozen. */
  hold(request: HoldRequest): Promise<Result<null>>
  /** The tree is frozen: from now on its terminal is watched. */
  frozen(id: string): Promise<Result<null>>
  /** Forget it: it was never frozen, or somebody else thawed it. Nothing is thawed. */
  release(id: string): Promise<Result<null>>
  /** Thaw, bring its memory back beside it, forget. `tookMs` is the time until it ran. */
  wake(id: string, cause: LifecycleCause): Promise<Result<{ prefaultedBytes: number; tookMs: number }>>
  /** Before the first write of a run: from now on the guard undoes it if this program dies. */
  armRun(request: ArmRunRequest): Promise<Result<null>>
  /** Kept or undone. */
  doneRun(runId: string): Promise<Result<null>>
  /** Whose agents are thawed when it ends and no other takes its place within seconds. */
  holder(request: HolderRequest): Promise<Result<null>>
  status(): Promise<Result<GuardState>>
  /** This program ends, what is held stays held. Closes the connection. */
  leave(): Promise<void>
  onWord(listener: (word: GuardWord) => void): void
  onWoke(listener: (woken: Woken) => void): void
  /** All processes of a held agent have ended; it is held no more. */
  onGone(listener: (agentId: AgentId) => void): void
  /** The guard is gone. `clean`: it held nothing and ended by itself; otherwise thaw and undo what it stood for. */
  onClosed(listener: (clean: boolean) => void): void
}

export interface ConnectGuardOptions {
  socketPath: string
  /** How to start it where none answers; null: only connect. */
  program: GuardProgram | null
  log: (text: string) => void
  /** Only looks: `hold` and the like are refused, and closing it undoes nothing. */
  lookOnly?: boolean
}

/** Longer than any wake: prefault is bounded to a fraction of it. */
const ANSWER_MS = 10_000
const ANSWER_GRACE_MS = 500
const START_MS = 5_000

const CODES: Record<string, ErrorCode> = {
  'bad-request': 'bad-request', full: 'busy', unknown: 'no-such-run', version: 'too-old', gone: 'process-gone', refused: 'write-refused', 'not-owner': 'busy',
}

const openSocket = async (path: string): Promise<Socket | null> =>
  new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', () => resolve(null))
  })

type Answer = Result<string>

const GONE = fail('helper-gone', 'The guard has ended.', { advice: 'It is started again when it is needed; nothing is frozen without it.' })

/** Requests and answers in order over one socket, and what comes unasked. */
const talk = (socket: Socket, log: (text: string) => void) => {
  const waiting: ((answer: Answer) => void)[] = []
  const wordListeners: ((word: GuardWord) => void)[] = []
  const wokeListeners: ((woken: Woken) => void)[] = []
  const goneListeners: ((agentId: AgentId) => void)[] = []
  const closedListeners: ((clean: boolean) => void)[] = []
  let rest = ''
  let closed = false
  let clean = false
  let left = false

  const take = (text: string) => {
    const line = parseGuardLine(text)
    if (line.kind === 'word') for (const listener of wordListeners) listener(line.word)
    else if (line.kind === 'woke') for (const listener of wokeListeners) listener(line.woken)
    else if (line.kind === 'gone') for (const listener of goneListeners) listener(line.agentId)
    else if (line.kind === 'bye') clean = true
    else if (line.kind === 'ok') waiting.shift()?.(ok(line.rest))
    else if (line.kind === 'error') waiting.shift()?.(fail(CODES[line.code] ?? 'internal', `The guard refused: ${line.text}.`, { about: 'guard', got: line.code }))
    else log(`guard: a line of unknown form was passed over: ${line.line.slice(0, 120)}`)
  }

  const end = () => {
    if (closed) return
    closed = true
    for (const answer of waiting.splice(0)) answer(GONE)
    if (!left) for (const listener of closedListeners) listener(clean)
  }
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  })
  socket.on('error', end)
  socket.on('close', end)

  const ask = async (line: string): Promise<Answer> => {
    if (closed) return GONE
    return new Promise((resolve) => {
      // Answers come in order: after one that is missing no other can be trusted.
      // Where this process itself stood still for memory, the answer lies in the socket already: it is read before the second one fires.
      let timer = setTimeout(() => {
        timer = setTimeout(() => socket.destroy(), ANSWER_GRACE_MS)
      }, ANSWER_MS)
      waiting.push((answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      socket.write(`${line}\n`)
    })
  }
  /** All of them, sent in one go; the first that fails is the answer. */
  const askAll = async (lines: readonly string[]): Promise<Answer> => {
    const answers = await Promise.all(lines.map(async (line) => ask(line)))
    return answers.find((answer) => !answer.ok) ?? ok('')
  }
  return {
    ask, askAll,
    close: () => {
      left = true
      socket.destroy()
    },
    onWord: (listener: (word: GuardWord) => void) => void wordListeners.push(listener),
    onWoke: (listener: (woken: Woken) => void) => void wokeListeners.push(listener),
    onGone: (listener: (agentId: AgentId) => void) => void goneListeners.push(listener),
    onClosed: (listener: (clean: boolean) => void) => void closedListeners.push(listener),
  }
}

const done = (answer: Answer): Result<null> => (answer.ok ? ok(null) : answer)

const statusOf = (answer: Answer): Result<GuardState> => {
  if (!answer.ok) return answer
  try {
    const { pid, pssBytes, runs, held, words } = guardStatusAnswerSchema.parse(JSON.parse(answer.value))
    return ok({ running: true, pid, pssBytes: pssBytes === null ? missing('not-supported', 'needs Linux 4.14') : known(pssBytes), runs, agents: held.length, held, words })
  } catch (error) {
    return fail('internal', 'The guard gave a status of another form.', { got: String(error).slice(0, 200) })
  }
}

const clientOf = (line: ReturnType<typeof talk>): GuardClient => ({
  hold: async (request) => {
    const answer = await line.askAll(holdLines(request))
    // A half made one must not stand in the way of the next try.
    if (!answer.ok && answer.error.code !== 'helper-gone' && answer.error.got !== 'exists') await line.ask(`release ${request.id}`)
    return done(answer)
  },
  frozen: async (id) => done(await line.ask(`frozen ${id}`)),
  release: async (id) => done(await line.ask(`release ${id}`)),
  wake: async (id, cause) => {
    const answer = await line.ask(`wake ${id} ${cause}`)
    if (!answer.ok) return answer
    const cost = parseCost(answer.value)
    return cost === null ? fail('internal', 'The guard gave an answer of another form.', { got: answer.value.slice(0, 120) }) : ok(cost)
  },
  armRun: async (request) => {
    const answer = await line.askAll(runLines(request))
    if (!answer.ok && answer.error.code !== 'helper-gone' && answer.error.got !== 'exists') await line.ask(`done ${request.runId}`)
    return done(answer)
  },
  doneRun: async (runId) => done(await line.ask(`done ${runId}`)),
  holder: async ({ uid, pid, startTimeTicks }) => done(await line.ask(`holder ${uid} ${pid} ${startTimeTicks}`)),
  status: async () => statusOf(await line.ask('status')),
  leave: async () => {
    await line.ask('leave')
    line.close()
  },
  onWord: line.onWord,
  onWoke: line.onWoke,
  onGone: line.onGone,
  onClosed: line.onClosed,
})

const connectOnce = async ({ socketPath, program, log, lookOnly = false }: ConnectGuardOptions): Promise<Result<GuardClient>> => {
  let socket = await openSocket(socketPath)
  if (socket === null) {
    if (program === null) return fail('helper-missing', 'The guard does not run.', { about: socketPath })
    const started = await startGuard(program, socketPath)
    if (!started.ok) return started
    for (const until = performance.now() + START_MS; socket === null && performance.now() < until;) {
      await sleep(10)
      socket = await openSocket(socketPath)
    }
    if (socket === null) return fail('helper-missing', 'The guard was started and does not answer.', { about: socketPath, advice: 'Look at its last words in the system log.' })
  }
  const line = talk(socket, log)
  const hello = await line.ask(`hello ${GUARD_PROTOCOL_VERSION} ${lookOnly ? 'look' : 'own'}`)
  if (hello.ok) return ok(clientOf(line))
  line.close()
  return hello
}

/**
 * Connects to the guard, and starts it first where none answers. A running one
 * goes on holding what it holds: `status().held` tells what is to be adopted.
 * One that ends just then, because it holds nothing, is asked for once more.
 */
export const connectGuard = async (options: ConnectGuardOptions): Promise<Result<GuardClient>> => {
  const first = await connectOnce(options)
  return first.ok || first.error.code !== 'helper-gone' ? first : connectOnce(options)
}
