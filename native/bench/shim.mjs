/**
 * `node native/bench/shim.mjs [--processes 8] [--megabytes 100] [--rounds 3]`: what
 * agentmem-run --share gives programs that read the same file, and what it
 * costs: PSS of all processes with the broker's, and the time of the read;
 * runs with and without it take turns. A figure a line: name, value, unit.
 */
import { spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { processes: { type: 'string', default: '8' }, megabytes: { type: 'string', default: '100' }, rounds: { type: 'string', default: '3' }, only: { type: 'string' } },
})
const project = join(import.meta.dirname, '..', '..')
const binDir = join(project, 'build', 'native')
const count = Number(values.processes)
const megabytes = Number(values.megabytes)
const MIB = 1048576

/** @param {string} name @param {number} value @param {string} unit */
const figure = (name, value, unit) => console.log(`${name} ${Number(value.toFixed(2))} ${unit}`)
/** @param {number[]} numbers */
const median = (numbers) => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN
/** @param {number | undefined} pid */
const pssMiB = (pid) => Number(/^Pss: +(\d+)/mu.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024

// Each page is looked at after the time is taken: what is shared and not yet looked at is in no process's PSS.
const reading = {
  python: (/** @type {string} */ file) => [
    'python3', '-c', 'import sys, time\nt = time.monotonic()\ndata = open(sys.argv[1], "rb").read()\nms = (time.monotonic() - t) * 1000\nsum(data[::4096])\nprint(ms, flush=True)\nsys.stdin.read()\nassert len(data) > 0', file,
  ],
  'node-sync': (/** @type {string} */ file) => [
    process.execPath, '-e', 'const t = performance.now(); const data = require("fs").readFileSync(process.argv[1]); const ms = performance.now() - t; let sum = 0; for (let at = 0; at < data.length; at += 4096) sum += data[at]; console.log(ms); process.stdin.resume().on("end", () => process.exit(data.length > 0 ? 0 : 1))', file,
  ],
  'node-callback': (/** @type {string} */ file) => [
    process.execPath, '-e', 'const t = performance.now(); require("fs").readFile(process.argv[1], (e, data) => { const ms = performance.now() - t; let sum = 0; for (let at = 0; at < data.length; at += 4096) sum += data[at]; console.log(ms); process.stdin.resume().on("end", () => process.exit(data.length > 0 ? 0 : 1)) })', file,
  ],
  // Real programs, as they load themselves; what they read of their sources they drop.
  'node-vite': () => [
    process.execPath, '--input-type=module', '-e',
    `const t = performance.now(); await import(${JSON.stringify(join(project, 'node_modules/vite/dist/node/index.js'))}); await import(${JSON.stringify(join(project, 'node_modules/playwright-core/index.mjs'))}); console.log(performance.now() - t); process.stdin.resume().on('end', () => process.exit(0))`,
  ],
  'python-imports': () => [
    'python3', '-c', 'import sys, time\nt = time.monotonic()\nimport asyncio, ctypes, decimal, email, http.client, json, logging, pydoc, sqlite3, ssl, unittest, xml.dom.minidom\nprint((time.monotonic() - t) * 1000, flush=True)\nsys.stdin.read()',
  ],
}

/** @param {string} folder @param {NodeJS.ProcessEnv} env */
const startBroker = async (folder, env) => {
  const socket = join(folder, 'broker.sock')
  const child = spawn(join(binDir, 'agentmem-broker'), ['--foreground', '--socket', socket, '--no-store'], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  for (let turn = 0; turn < 100 && !existsSync(socket); turn += 1) await sleep(50)
  return child
}

/** @param {string[]} command @param {boolean} isShared @param {NodeJS.ProcessEnv} env */
const start = async (command, isShared, env) => {
  const child = spawn(join(binDir, 'agentmem-run'), ['--no-merge', ...(isShared ? ['--share'] : []), '--', ...command], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = /** @type {[Buffer]} */ (await once(child.stdout, 'data'))
  return { child, readMs: Number(line.toString()) }
}

/** All processes at once, started one after the other. @param {string[]} command @param {boolean} isShared */
const round = async (command, isShared) => {
  const folder = mkdtempSync('/var/tmp/agentmem-shim-')
  const env = { ...process.env, AGENTMEM_SOCKET: join(folder, 'broker.sock'), XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const broker = await startBroker(folder, env)
  const started = []
  for (let at = 0; at < count; at += 1) started.push(await start(command, isShared, env))
  await sleep(500)
  const pss = started.reduce((sum, { child }) => sum + pssMiB(child.pid), pssMiB(broker.pid))
  for (const { child } of started) {
    child.stdin.end()
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}`)
  }
  broker.kill('SIGTERM')
  await once(broker, 'exit')
  rmSync(folder, { recursive: true, force: true })
  return { pss, firstMs: started[0]?.readMs ?? Number.NaN, laterMs: median(started.slice(1).map(({ readMs }) => readMs)) }
}

const folder = mkdtempSync('/var/tmp/agentmem-shim-file-')
try {
  const file = join(folder, 'file')
  writeFileSync(file, randomFillSync(Buffer.alloc(megabytes * MIB)))
  utimesSync(file, new Date('2020-01-01'), new Date('2020-01-01'))
  for (const [name, command] of Object.entries(reading)) {
    if (values.only !== undefined && !values.only.split(',').includes(name)) continue
    /** @type {Awaited<ReturnType<typeof round>>[]} */
    const without = []
    /** @type {Awaited<ReturnType<typeof round>>[]} */
    const shared = []
    for (let at = 0; at < Number(values.rounds); at += 1) {
      without.push(await round(command(file), false))
      shared.push(await round(command(file), true))
    }
    figure(`shim-${name}-processes`, count, '')
    figure(`shim-${name}-pss-without`, median(without.map(({ pss }) => pss)), 'MiB')
    figure(`shim-${name}-pss-shared`, median(shared.map(({ pss }) => pss)), 'MiB')
    figure(`shim-${name}-read-without`, median(without.map(({ laterMs }) => laterMs)), 'ms')
    figure(`shim-${name}-read-first`, median(shared.map(({ firstMs }) => firstMs)), 'ms')
    figure(`shim-${name}-read-shared`, median(shared.map(({ laterMs }) => laterMs)), 'ms')
  }
} finally {
  rmSync(folder, { recursive: true })
}
