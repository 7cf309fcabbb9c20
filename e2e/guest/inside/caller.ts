/** Callers on the buses that stay, one process for each user and role: whoever leaves the bus has its runs undone and its agents thawed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { asUser, PRODUCT, type User } from './users.ts'

export interface Answer {
  readonly ok: boolean
  readonly value: Record<string, unknown>
  readonly error: { readonly code: string; readonly message: string }
}

export type Role = 'Helper1' | 'Session1'

export interface Caller {
  /** Process of the caller, as the bus names it. */
  readonly pid: number | undefined
  call(method: string, request: unknown): Promise<Answer>
  close(): Promise<void>
}

const gone = (): Answer => ({ ok: false, value: {}, error: { code: 'caller-ended', message: 'the caller of the test ended' } })

/** Starts one more, which is on the bus as soon as it is asked something. */
export const openCaller = (user: User, role: Role): Caller => {
  const address = role === 'Helper1' ? 'unix:path=/run/dbus/system_bus_socket' : `unix:path=/run/user/${user.uid}/bus`
  const [program = '', ...args] = asUser(user, `${PRODUCT}/node`, '/mnt/guest/cli/caller.mjs', address, role)
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, (answer: Answer) => void>()
  let count = 0
  let ended = false
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => {
      ended = true
      for (const settle of waiting.values()) settle(gone())
      waiting.clear()
      resolve()
    })
  })
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said: { id?: number; answer?: string } = JSON.parse(line)
      const settle = said.id === undefined ? undefined : waiting.get(said.id)
      if (said.id === undefined || settle === undefined) return
      waiting.delete(said.id)
      settle(JSON.parse(said.answer ?? 'null'))
    })
  }
  return {
    pid: child.pid,
    call: (method, request) => {
      if (ended) return Promise.resolve(gone())
      count += 1
      const id = count
      return new Promise((resolve) => {
        waiting.set(id, resolve)
        child.stdin?.write(`${JSON.stringify({ id, what: 'call', method, text: JSON.stringify(request), mayAsk: false })}\n`)
      })
    },
    close: async () => {
      child.stdin?.end()
      await closed
    },
  }
}

const callers = new Map<string, Caller>()

/** Through the one caller of this user; a service that took too long to start is asked once more, as it is there by then. */
export const ask = async (user: User, role: Role, method: string, request: unknown): Promise<Answer> => {
  const key = `${user.name} ${role}`
  const caller = callers.get(key) ?? openCaller(user, role)
  callers.set(key, caller)
  let answer = await caller.call(method, request)
  for (let again = 0; again < 5 && !answer.ok && answer.error.message.includes('service_start_timeout'); again += 1) answer = await caller.call(method, request)
  return answer
}

/** Takes those of one user off the bus. */
export const dropCallersOf = async (user: User): Promise<void> => {
  for (const [key, caller] of callers) {
    if (!key.startsWith(`${user.name} `)) continue
    callers.delete(key)
    await caller.close()
  }
}

export const closeCallers = async (): Promise<void> => {
  await Promise.all([...callers.values()].map((caller) => caller.close()))
  callers.clear()
}
