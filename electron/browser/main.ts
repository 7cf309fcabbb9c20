import { spawn } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createApp } from '../app/app.ts'
import { askApp, listenAsApp, type AppReply } from '../app/app-socket.ts'
import { appPaths } from '../app/paths.ts'
import { launcherPage } from './pages.ts'
import { startServer } from './server.ts'

const HELP = `Opens Agent Memory Center in the browser.

  --no-open     print the address instead of opening a browser
  --port N      listen on this port of 127.0.0.1 (default: a free one)
`

const say = (text: string): void => { process.stdout.write(`${text}\n`) }

/** xdg-open gets the name of a private file: an argument list can be read by everyone. */
const openPage = (page: string): void => {
  const child = spawn('xdg-open', [page], { stdio: 'ignore', detached: true })
  child.on('error', () => { say('No program to open a browser was found: use the address above.') })
  child.unref()
}

const show = (reply: AppReply, open: boolean): void => {
  if (reply.url !== null) say(`Agent Memory Center: ${reply.url}\nThis address works once, within 10 minutes. For another one: agentmemctl open`)
  if (open && reply.page !== null) openPage(reply.page)
}

const readArguments = (): { noOpen: boolean; port: string; help: boolean } | string => {
  try {
    const { values } = parseArgs({ options: { 'no-open': { type: 'boolean', default: false }, port: { type: 'string', default: '0' }, help: { type: 'boolean', short: 'h', default: false } } })
    return { noOpen: values['no-open'], port: values.port, help: values.help }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const start = async (): Promise<number | null> => {
  const values = readArguments()
  if (typeof values === 'string') {
    process.stderr.write(`${values}\n\n${HELP}`)
    return 2
  }
  if (values.help) {
    say(HELP)
    return 0
  }
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    process.stderr.write(`--port: expected a number from 0 to 65535, got "${values.port}"\n`)
    return 2
  }
  const open = !values.noOpen
  const paths = appPaths()
  const running = await askApp(paths.runtimeDir, { do: 'open' })
  if (running.ok) {
    say('The app is running already.')
    show(running.value, open)
    return 0
  }

  const app = createApp()
  const server = await startServer({ app, rendererDir: join(paths.projectDir, 'build', 'renderer'), port, onRedeemed: () => { removePages() } })
  if (!server.ok) {
    process.stderr.write(`${server.error.message} ${server.error.advice ?? ''}\n`)
    app.close()
    return 1
  }
  const { address, access } = server.value

  const removePages = (): void => {
    for (const name of readdirSync(paths.runtimeDir)) if (/^open-[0-9a-f]+\.html$/u.test(name)) rmSync(join(paths.runtimeDir, name), { force: true })
  }
  const newPage = (): string => {
    removePages()
    const page = join(paths.runtimeDir, `open-${randomBytes(6).toString('hex')}.html`)
    writeFileSync(page, launcherPage(address, access.newToken()), { mode: 0o600, flag: 'wx' })
    return page
  }
  const invitation = (): AppReply => ({ pid: process.pid, sessionBus: app.inner.session.busAddress(), url: `${address}/?token=${access.newToken()}`, page: newPage() })

  const socket = await listenAsApp(paths.runtimeDir, {
    diagnosis: (leaks) => app.call('diagnosis.get', { leaks }),
    answer: (request) => {
      if (request.do === 'open') return invitation()
      if (request.do === 'run-changed') app.inner.runs.heardOf(request.runId)
      return { pid: process.pid, sessionBus: app.inner.session.busAddress(), url: null, page: null }
    },
  })
  if (!socket.ok) {
    process.stderr.write(`${socket.error.message} ${socket.error.advice ?? ''}\n`)
    app.close()
    await server.value.close()
    return 1
  }

  let ending = false
  const end = (): void => {
    if (ending) process.exit(130)
    ending = true
    socket.value.close()
    removePages()
    app.close()
    server.value.close().then(() => process.exit(0), () => process.exit(1))
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  process.on('SIGHUP', end)
  // SIGUSR1 belongs to Node's debugger.
  process.on('SIGUSR2', () => { show(invitation(), false) })
  show(invitation(), open)
  return null
}

const code = await start()
if (code !== null) process.exitCode = code
