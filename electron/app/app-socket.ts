import { rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { z } from 'zod'
import type { Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import { runIdSchema } from '../../helper/contract/runs.ts'
import { errnoOf, messageOf, privateFolder } from './files.ts'
import { socketPath } from './socket-path.ts'

export { socketPath }

/** What other programs of this user ask of the running app; one JSON line each way. */
export const appRequestSchema = z.discriminatedUnion('do', [
  /** Show a window, or tell how to open one. */
  z.strictObject({ do: z.literal('open') }),
  z.strictObject({ do: z.literal('info') }),
  /** The command line changed a run: read again. */
  z.strictObject({ do: z.literal('run-changed'), runId: runIdSchema }),
])
export type AppRequest = z.infer<typeof appRequestSchema>

export const appReplySchema = z.object({
  pid: z.int(),
  /** The session bus in use, which may be the app's own. */
  sessionBus: z.string().nullable(),
  /** For `open`: an address for a person's own terminal, good once. */
  url: z.string().nullable(),
  /** For `open`: a 0600 page for xdg-open, which must not see the token. */
  page: z.string().nullable(),
})
export type AppReply = z.infer<typeof appReplySchema>

const MOST_LINE_BYTES = 64 * 1024
const TIMEOUT_MS = 3_000

/** Asks the running app; `helper-missing` when there is none. */
export const askApp = (runtimeDir: string, request: AppRequest): Promise<Result<AppReply>> =>
  new Promise((resolve) => {
    const socket = createConnection(socketPath(runtimeDir))
    let text = ''
    const done = (result: Result<AppReply>): void => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(TIMEOUT_MS, () => { done(fail('helper-gone', 'The running app does not answer.', { advice: 'End it and start it again.' })) })
    socket.on('error', (error) => { done(fail('helper-missing', 'The app is not running.', { got: errnoOf(error) || messageOf(error), advice: 'Start it with: npm start' })) })
    socket.on('connect', () => { socket.write(`${JSON.stringify(request)}\n`) })
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (!text.includes('\n')) return
      try {
        done(ok(appReplySchema.parse(JSON.parse(text))))
      } catch (error) {
        done(fail('too-old', 'The running app is of another version.', { got: messageOf(error), advice: 'End it and start it again.' }))
      }
    })
    socket.on('end', () => { done(fail('helper-gone', 'The running app ended.')) })
  })

/** Asked by ask-diagnosis.ts; the answer is that of the channel "diagnosis.get". */
const diagnosisRequestSchema = z.strictObject({ do: z.literal('diagnosis'), leaks: z.boolean() })
/** A look at a machine that is short of everything can take a while. */
const DIAGNOSIS_TIMEOUT_MS = 30_000

export interface AppAnswers {
  readonly answer: (request: AppRequest) => AppReply
  readonly diagnosis: (leaks: boolean) => Promise<unknown>
}

const reply = async (socket: Socket, line: string, { answer, diagnosis }: AppAnswers): Promise<void> => {
  try {
    const request: unknown = JSON.parse(line)
    const wish = diagnosisRequestSchema.safeParse(request)
    if (wish.success) socket.setTimeout(DIAGNOSIS_TIMEOUT_MS)
    socket.end(`${JSON.stringify(wish.success ? await diagnosis(wish.data.leaks) : answer(appRequestSchema.parse(request)))}\n`)
  } catch {
    socket.destroy()
  }
}

/**
 * Takes the one place of this user's app, or answers `busy` when another holds
 * it. A socket that nobody listens on is left from a crash and is replaced.
 */
export const listenAsApp = async (runtimeDir: string, answers: AppAnswers): Promise<Result<{ close(): void }>> => {
  const folder = privateFolder(runtimeDir)
  if (!folder.ok) return folder
  const path = socketPath(runtimeDir)

  const listen = (): Promise<{ server: Server } | { code: string; text: string }> =>
    new Promise((resolve) => {
      const server = createServer((socket) => {
        let text = ''
        socket.setTimeout(TIMEOUT_MS, () => { socket.destroy() })
        socket.on('error', () => { socket.destroy() })
        socket.on('data', (chunk) => {
          text += chunk.toString()
          if (text.length > MOST_LINE_BYTES) socket.destroy()
          if (!text.includes('\n')) return
          // One line is all that is listened to.
          socket.removeAllListeners('data').resume()
          void reply(socket, text, answers)
        })
      })
      server.once('error', (error) => { resolve({ code: errnoOf(error), text: messageOf(error) }) })
      server.listen(path, () => { resolve({ server }) })
    })

  let made = await listen()
  if ('code' in made && made.code === 'EADDRINUSE') {
    const other = await askApp(runtimeDir, { do: 'info' })
    if (other.ok) return fail('busy', 'The app is running already.', { got: `process ${other.value.pid}` })
    if (other.error.code !== 'helper-missing') return other
    rmSync(path, { force: true })
    made = await listen()
  }
  if (!('server' in made)) return fail('internal', `${path} could not be made: ${made.text}`)
  const { server } = made
  return ok({ close: () => { server.close() } })
}
