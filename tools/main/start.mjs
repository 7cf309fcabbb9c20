/**
 * Opens the app: in Electron where its binary is here or can be had, else in
 * the browser host, saying so in one line.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { buildAll } from '../build.mjs'
import { projectDir, runTool, say, setUp } from '../toolchain.mjs'

const electronDir = join(projectDir, 'node_modules', 'electron')
const electronBinary = join(electronDir, 'dist', 'electron')
const failedStamp = join(projectDir, 'build', 'stamps', 'electron-not-available')
const RETRY_AFTER_MS = 24 * 3600 * 1000

const hasDisplay = () => Boolean(process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY'])

/** Downloads Electron's binary at most once a day where that failed. @param {{ node: string, env: NodeJS.ProcessEnv }} context @returns {string | null} why not */
const ensureElectron = ({ node, env }) => {
  if (!hasDisplay()) return 'no graphical session'
  if (existsSync(electronBinary)) return null
  const lastFailed = existsSync(failedStamp) ? Number(readFileSync(failedStamp, 'utf8')) : 0
  if (Date.now() - lastFailed < RETRY_AFTER_MS) return 'its binary could not be downloaded earlier today'
  say('Downloading Electron (once, about 120 MB) ...')
  const { status } = spawnSync(node, [join(electronDir, 'install.js')], { cwd: electronDir, env, stdio: 'ignore', timeout: 180_000 })
  if (status === 0 && existsSync(electronBinary)) return null
  mkdirSync(dirname(failedStamp), { recursive: true })
  writeFileSync(failedStamp, String(Date.now()))
  return 'its binary could not be downloaded'
}

await runTool(async () => {
  const args = process.argv.slice(2)
  const context = setUp()
  buildAll(context, ['native programs', 'window', 'preload'])

  const wantsBrowser = args.includes('--no-open') || args.includes('--browser')
  const why = wantsBrowser ? 'asked for' : ensureElectron(context)
  if (why !== null && !wantsBrowser) say(`Electron is not used (${why}): opening the same window in your browser.`)
  // Electron's own Node may come without type stripping: it gets built files.
  if (why === null) buildAll(context, ['shell', 'helper bundle'])
  const shell = join(projectDir, 'build', 'shell', 'main.js')
  const [command, commandArgs] = why === null ? [electronBinary, [shell, ...args]] : [context.node, [join(projectDir, 'electron', 'browser', 'main.ts'), ...args.filter((arg) => arg !== '--browser')]]
  const child = spawn(command, commandArgs, { cwd: process.cwd(), stdio: 'inherit', env: context.env })
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
})
