/** The Node bindings: the same addon and the same parts under every Node that is here, on both backends. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packNode } from '../../tools/node-package.mjs'
import { listens, until } from './broker-kit.mjs'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */
/** @typedef {{ folder: string, packageDir: string, env: NodeJS.ProcessEnv, kind: string }} Place */

/** The addon is built for ThreadSanitizer too. */
export const threaded = true

const partsDir = join(dirname(fileURLToPath(import.meta.url)), 'node')
const leastMajor = 20
const partTimeoutMs = 120_000

/** Every Node from 20 on that is on the path, and those that $AGENTMEM_NODES names, each version once; the one that runs this first. */
const nodes = () => {
  const found = new Map([[process.versions.node, process.execPath]])
  const named = [...(process.env['AGENTMEM_NODES'] ?? '').split(delimiter), ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'node')), '/usr/bin/node']
  for (const path of named) {
    const out = path.startsWith('/') && existsSync(path) ? spawnSync(realpathSync(path), ['--version'], { encoding: 'utf8' }) : null
    const version = /^v((\d+)\.\d+\.\d+)\n$/u.exec(out?.stdout ?? '')
    if (version?.[1] !== undefined && Number(version[2]) >= leastMajor && !found.has(version[1])) found.set(version[1], path)
  }
  return [...found.values()]
}

/** The sanitizer's library has to be there before Node is; null where the addon needs none. @param {string} kind */
const preloadOf = (kind) => {
  if (kind === 'hardened') return null
  const name = kind === 'sanitized' ? 'libasan.so' : 'libtsan.so'
  const path = execFileSync(process.env['CC'] ?? 'cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  return path.startsWith('/') ? realpathSync(path) : ''
}

/** Why the addon cannot be loaded in this kind; undefined where it can. @param {Place} place */
const problemOf = ({ kind, env }) => {
  if (kind === 'hardened') return undefined
  if (env['LD_PRELOAD'] === '') return `needs gcc: its ${kind === 'sanitized' ? 'libasan.so' : 'libtsan.so'} is loaded before Node`
  const out = spawnSync(process.execPath, ['-e', 'console.log(1 + 1)'], { env, encoding: 'utf8' })
  return out.stdout === '2\n' ? undefined : `needs a machine where Node ${process.versions.node} runs under the sanitizer's library`
}

/** @param {Context} context @param {(place: Place) => unknown} use @param {string} [addon] */
const inPlace = async ({ binDir, kind }, use, addon = 'agentmem.node') => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-node-'))
  const preload = preloadOf(kind)
  const sanitizers = preload === null ? {} : { LD_PRELOAD: preload, ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99', UBSAN_OPTIONS: 'print_stacktrace=1', TSAN_OPTIONS: 'exitcode=0' }
  /** @type {Place} */
  const place = { folder, kind, packageDir: join(folder, 'agentmem'), env: { ...process.env, AGENTMEM_SOCKET: join(folder, 'broker.sock'), XDG_RUNTIME_DIR: folder, XDG_CONFIG_HOME: folder, ...sanitizers } }
  try {
    packNode(place.packageDir, join(binDir, addon))
    const problem = problemOf(place)
    if (problem !== undefined) return problem
    await withBroker(binDir, place, () => use(place))
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param {string} binDir @param {Place} place @param {() => unknown} use */
const withBroker = async (binDir, place, use) => {
  const socket = place.env['AGENTMEM_SOCKET'] ?? ''
  const broker = spawn(join(binDir, 'agentmem-broker'), ['--socket', socket, '--no-store', '--foreground'], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...place.env, LD_PRELOAD: '', TSAN_OPTIONS: 'exitcode=99' } })
  const ended = new Promise((resolve) => broker.once('exit', (...how) => resolve(how)))
  /** @type {unknown} */
  let brokerEnd = null
  try {
    await until(() => listens(socket) || broker.exitCode !== null || broker.signalCode !== null, 'a broker that listens')
    assert.equal(broker.exitCode ?? broker.signalCode, null, 'the broker listens')
    await use()
    assert.equal(broker.exitCode ?? broker.signalCode, null, 'the broker lives on')
  } finally {
    broker.kill()
    brokerEnd = await ended
  }
  assert.deepEqual(brokerEnd, [0, null], 'the broker ends well, and no sanitizer found anything in it')
}

/** Whether both accesses of a race are the addon's. Node itself is not built for ThreadSanitizer, and synchronises in ways that it cannot see. @param {string} report */
const isOwn = (report) => {
  const accesses = report.split(/\n\n/u).filter((stack) => /(?:read|write) of size/iu.test(stack))
  // The last one may be cut by the end of the process, before it names anybody.
  if (accesses.length === 0) return !/^WARNING: ThreadSanitizer: data race \(pid=\d+\)\n?$/u.test(report)
  const places = accesses.map((stack) => stack.split('\n').find((line) => line.includes('#') && !line.includes('libtsan')) ?? 'agentmem.node')
  return !/data race/u.test(report) || places.every((place) => place.includes('agentmem.node'))
}

/** What ThreadSanitizer says of the addon, and all that was printed besides. @param {string} text */
const ownReports = (text) => text.split('==================\n').filter((block) => !block.startsWith('WARNING: ThreadSanitizer') || isOwn(block)).join('')
  .replace(/^ThreadSanitizer: reported \d+ warnings\n/mu, '')

/** @param {Place} place @param {string} node @param {string} part @param {string[]} args */
const runPart = async ({ packageDir, env, kind }, node, part, args) => {
  const child = spawn(node, ['--expose-gc', join(partsDir, `${part}.mjs`), packageDir, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: partTimeoutMs })
  let out = ''
  let problems = ''
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (problems += text))
  const [code, signal] = await new Promise((resolve) => child.once('close', (...how) => resolve(how)))
  if (kind === 'threaded') problems = ownReports(problems)
  assert.ok(code === 0 && out === `${part}: done\n` && problems === '', `${part} ${args.join(' ')} under ${node} ended with ${code ?? signal}:\n${out}${problems}`)
}

/** Two at once. @param {Place} place @param {string} part @param {string[]} [how] */
const everywhere = async (place, part, how = []) => {
  // A sanitizer looks at the addon, not at each Node.
  const all = place.kind === 'hardened' ? nodes() : [process.execPath]
  // ThreadSanitizer makes Node slow, and the library with its private backend has been under it by itself.
  const backends = place.kind === 'threaded' ? ['broker'] : ['private', 'broker']
  for (const node of all) await Promise.all(backends.map((backend) => runPart(place, node, part, [backend, ...how])))
}

export const tests = [
  {
    name: 'node: every call, right and wrong',
    run: (/** @type {Context} */ context) => inPlace(context, (place) => everywhere(place, 'calls')),
  },
  {
    name: 'node: what is collected gives back what it held, and nothing before',
    run: (/** @type {Context} */ context) => inPlace(context, (place) => everywhere(place, 'life')),
  },
  {
    name: 'node: thousands of calls at once, and an end in their midst',
    run: (/** @type {Context} */ context) => inPlace(context, async (place) => {
      await everywhere(place, 'many')
      await runPart(place, process.execPath, 'many', ['broker', 'exit'])
    }),
  },
  {
    name: 'node: worker threads, ended in every way',
    run: (/** @type {Context} */ context) => inPlace(context, (place) => everywhere(place, 'workers')),
  },
  {
    name: 'node: copies where they are asked for, as under Electron',
    run: (/** @type {Context} */ context) => context.kind === 'threaded' ? 'is run in the other kinds' : inPlace(context, (place) => runPart(place, process.execPath, 'life', ['broker', 'forced'])),
  },
  {
    name: 'node: copies where JavaScript takes no memory of others',
    run: (/** @type {Context} */ context) =>
      context.kind === 'threaded' ? 'is run in the other kinds' : inPlace(context, (place) => runPart(place, process.execPath, 'life', ['broker', 'refused']), 'agentmem-refuse.node'),
  },
  {
    name: 'node: the example of ten lines',
    run: (/** @type {Context} */ context) => inPlace(context, (place) => {
      const lines = readFileSync(join(partsDir, '..', '..', 'user', 'node', 'example.ts'), 'utf8').trim().split('\n').filter((line) => line !== '')
      assert.ok(lines.length <= 11, `${lines.length} lines`)
      for (const node of place.kind === 'hardened' ? nodes() : [process.execPath]) {
        const out = spawnSync(node, [join(place.packageDir, 'example.js')], { env: place.env, encoding: 'utf8' })
        assert.equal(out.stdout, 'broker: 290000 bytes of prompt, 111 of the fork, 3 units\n', out.stderr)
      }
    }),
  },
  {
    name: 'node: an addon that is missing or of another machine is told when it is first needed',
    run: (/** @type {Context} */ context) => context.kind === 'threaded' ? 'is run in the other kinds' : inPlace(context, (place) => {
      const addon = join(place.packageDir, 'agentmem.node')
      const say = "const { AgentMemory } = await import(process.argv[1]); console.log('imported'); await AgentMemory.open().catch((error) => console.log(`${error.code} ${error.message}`))"
      const ask = () => spawnSync(process.execPath, ['--input-type=module', '-e', say, join(place.packageDir, 'index.js')], { env: place.env, encoding: 'utf8' }).stdout
      rmSync(addon)
      assert.match(ask(), /^imported\nERR_AGENTMEM_ADDON libagentmem cannot be used: agentmem\.node for \w+ is not there\. .*npm run build.*agentmem\.node\n$/u)
      copyFileSync(join(place.packageDir, 'package.json'), addon)
      assert.match(ask(), /^imported\nERR_AGENTMEM_ADDON libagentmem cannot be used: .*agentmem\.node does not fit Node .*npm run build.*\n$/u)
    }),
  },
]
