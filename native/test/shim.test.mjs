/** agentmem-share.so: programs cannot tell that it is there, whatever they do and whatever the broker does. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { listens, until } from './broker-kit.mjs'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */
/** @typedef {{ folder: string, file: string, socket: string, context: Context }} Place */

const WHOLE = 8 << 20
const OLD = new Date('2020-01-01')

/** Bytes that repeat nowhere, the same each time. @param {number} bytes */
const numbers = (bytes) => {
  const words = new Uint32Array(bytes / 4)
  let state = 1
  for (let at = 0; at < words.length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    words[at] = state
  }
  return Buffer.from(words.buffer)
}

/** @param {Context} context @param {(place: Place) => unknown} use */
const inPlace = async (context, use) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-shim-'))
  try {
    const place = { folder, file: join(folder, 'file'), socket: join(folder, 'broker.sock'), context }
    writeFileSync(place.file, numbers(WHOLE))
    utimesSync(place.file, OLD, OLD)
    writeFileSync(`${place.file}.sparse`, 'begin')
    truncateSync(`${place.file}.sparse`, WHOLE)
    utimesSync(`${place.file}.sparse`, OLD, OLD)
    return await use(place)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A broker of the test's own; stops when `use` ends. @param {Place} place @param {string} mode @param {() => unknown} use @returns {Promise<string>} what it held at the end */
const withBroker = async (place, mode, use) => {
  rmSync(place.socket, { force: true })
  const broker = spawn(join(place.context.testDir, 'shim-broker'), [place.socket, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  broker.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (said += text))
  const ended = new Promise((resolve) => broker.on('close', resolve))
  await new Promise((resolve) => broker.stdout.once('data', resolve))
  try {
    await use()
  } finally {
    broker.kill('SIGTERM')
    await ended
  }
  return said.replace('ready\n', '').trim()
}

/** Its environment with the shim, loaded as agentmem-run does. @param {Place} place @param {NodeJS.ProcessEnv} [more] */
const launched = (place, more = {}) => ({ ...process.env, AGENTMEM_SOCKET: place.socket, AGENTMEM_SHARE_LOG: '2', ...more })

/** @param {Place} place @param {string[]} command @param {NodeJS.ProcessEnv} [more] */
const withShim = (place, command, more) => {
  // Where sanitizers are asked for: the build that stops at undefined behaviour. Theirs for memory and threads cannot be in a library that is malloc.
  const checked = join(place.context.testDir, 'agentmem-share-checked.so')
  const [program, ...words] = place.context.kind === 'hardened' ? [join(place.context.binDir, 'agentmem-run'), '--no-merge', '--share', '--'] : ['sh', '-c', `AGENTMEM_SHARE_PID=$$ LD_PRELOAD=${checked} exec "$@"`, 'sh']
  const { status, signal, stdout, stderr } = spawnSync(program, [...words, ...command], { encoding: 'utf8', env: launched(place, more) })
  return { status, signal, stdout, stderr: stderr.replace(/^(?:found|handed in) \d+\n/gmu, ''), done: stderr.match(/^(?:found|handed in) \d+$/gmu) ?? [] }
}

/** @param {string[]} command */
const without = (command) => {
  const { status, signal, stdout, stderr } = spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8' })
  return { status, signal, stdout, stderr }
}

/** The case's own files afresh. @param {Place} place @param {string} name */
const subject = (place, name) => {
  copyFileSync(place.file, `${place.file}.changing`)
  utimesSync(`${place.file}.changing`, OLD, OLD)
  return [join(place.context.testDir, 'shim-subject'), name, place.file]
}

/** @param {Place} place @param {string} name @param {ReturnType<typeof without>} [plain] @returns {string[]} what the shim did */
const sameAsWithout = (place, name, plain = without(subject(place, name))) => {
  assert.equal(plain.status, 0, `${name}: ${JSON.stringify(plain)}`)
  const { done, ...shimmed } = withShim(place, subject(place, name))
  assert.deepEqual(shimmed, plain, name)
  return done
}

/**
 * What may be shared is not shared where an answer takes longer than the shim waits, half a second: on a busy machine
 * that is right, so it is tried up to three times, and the last is judged.
 * @template Seen @param {() => Promise<Seen>} look @param {(seen: Seen) => boolean} isShared @returns {Promise<Seen>}
 */
const inTime = async (look, isShared) => {
  for (let tries = 1; ; tries += 1) {
    const seen = await look()
    if (tries === 3 || isShared(seen)) return seen
  }
}

/** Whether the case is to be shared at all. */
const cases = {
  whole: true, calls: true, places: false, sizes: true, 'changed-file': true, forks: true, 'other-files': true, advice: true, rights: true, locked: true,
  limits: false, descriptors: true, signals: true, cancelled: true, filter: true, threads: true, writer: true, 'pipe-pages': false, many: true,
}

/** Ways in which a broker can be bad; `die-N` and `hang-N` with the Nth message. */
const badModes = ['deaf', 'hang', 'hang-2', 'hang-3', 'hang-5', 'die-1', 'die-2', 'die-3', 'die-4', 'die-5', 'die-7', 'rubbish', 'short', 'error', 'version', 'wrong', 'longer', 'unsealed', 'no-fd']

const pythonProgram = String.raw`
import hashlib, mmap, os, subprocess, sys, threading
path = sys.argv[1]
def tell(*what): print(*what, flush=True)
data = open(path, 'rb').read()
tell('bytes', len(data), hashlib.sha256(data).hexdigest())
target = bytearray(len(data))
with open(path, 'rb', buffering=0) as file: tell('into', file.readinto(target))
target[100000:200000] = b'x' * 100000
tell('changed', hashlib.sha256(target).hexdigest(), hashlib.sha256(data).hexdigest())
del target[3000000:]
target += data
tell('joined', hashlib.sha256(target).hexdigest())
def work(at):
    with open(path, 'rb') as file:
        file.seek(at * 1000)
        results[at] = hashlib.sha256(file.read(2000000)).hexdigest()
results = {}
threads = [threading.Thread(target=work, args=(at,)) for at in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
tell('threads', sorted(results.items()))
child = os.fork()
if child == 0:
    tell('child', hashlib.sha256(open(path, 'rb').read() + data).hexdigest())
    os._exit(0)
os.waitpid(child, 0)
tell('children', subprocess.run(['sh', '-c', 'echo "[$LD_PRELOAD][$AGENTMEM_SHARE_PID][$AGENTMEM_SHARE_MERGE]"'], capture_output=True, text=True).stdout)
with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as area: tell('mapped', area[:] == data)
try: open('/nowhere', 'rb')
except OSError as error: tell(error)
`

const nodeProgram = String.raw`
const fs = require('node:fs'), { createHash } = require('node:crypto'), { spawnSync } = require('node:child_process'), { Worker, isMainThread } = require('node:worker_threads')
const path = process.argv[2]
const tell = (...what) => console.log(...what)
const hash = (data) => createHash('sha256').update(data).digest('hex')
const main = async () => {
  const data = fs.readFileSync(path)
  tell('sync', data.length, hash(data))
  const second = fs.readFileSync(path)
  second.fill(7, 1000, 500000)
  tell('changed', hash(second), hash(data))
  tell('callback', hash(await new Promise((done) => fs.readFile(path, (error, got) => done(got)))))
  tell('promise', hash(await fs.promises.readFile(path)))
  const handle = await fs.promises.open(path)
  const into = Buffer.alloc(data.length + 100)
  tell('read', (await handle.read(into, 50, data.length, 0)).bytesRead, hash(into))
  const parts = [Buffer.alloc(3000000), Buffer.alloc(10), Buffer.alloc(4000000)]
  tell('readv', (await handle.readv(parts, 5)).bytesRead, parts.map(hash).join())
  await handle.close()
  const stream = createHash('sha256')
  for await (const part of fs.createReadStream(path, { highWaterMark: 2 ** 21 })) stream.update(part)
  tell('stream', stream.digest('hex'))
  for (let turn = 0; turn < 20; turn += 1) fs.readFileSync(path)[turn] = 1
  if (globalThis.gc) gc()
  tell('zeros', Buffer.alloc(data.length).every((byte) => byte === 0))
  const moved = structuredClone(data.buffer, { transfer: [data.buffer] })
  tell('moved', hash(Buffer.from(moved)), data.length)
  const worker = new Worker('const fs = require("node:fs"); const data = fs.readFileSync(process.argv[2]); require("node:worker_threads").parentPort.postMessage(data.buffer, [data.buffer])', { eval: true, argv: [path] })
  tell('worker', hash(Buffer.from(await new Promise((done) => worker.once('message', done)))))
  tell('children', spawnSync('sh', ['-c', 'echo "[$LD_PRELOAD][$AGENTMEM_SHARE_PID]"'], { encoding: 'utf8' }).stdout)
  try { fs.readFileSync('/nowhere') } catch (error) { tell(error.message) }
}
main()
`

/** A real agent, where the fleet of the end-to-end tests was ever installed. @param {string} home @returns {string[] | null} */
const agentCommand = (home) => {
  const caches = [process.env['AGENTMEM_CACHE'], join(homedir(), '.cache'), '/var/cache'].filter((folder) => folder !== undefined)
  const [program] = caches.flatMap((folder) => globSync(join(folder, 'agentmem-fleet/*/node_modules/@google/gemini-cli/bundle/gemini.js')))
  return program === undefined ? null : ['env', `HOME=${home}`, process.execPath, program, '--help']
}

/** @param {number} pid */
const privateKiB = (pid) => Number(/^Private_Dirty: +(\d+)/mu.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])

/** Programs that hold the file, with the shim, until `use` ends. @param {Place} place @param {number} count @param {(pids: number[]) => unknown} use @param {NodeJS.ProcessEnv} [more] */
const whileRunning = async (place, count, use, more) => {
  const started = []
  for (let at = 0; at < count; at += 1) {
    const child = spawn(join(place.context.binDir, 'agentmem-run'), ['--no-merge', '--share', '--', ...subject(place, 'stay')], { stdio: ['pipe', 'pipe', 'ignore'], env: launched(place, more) })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    started.push(child)
  }
  try {
    await use(started.map(({ pid }) => Number(pid)))
  } finally {
    for (const child of started) {
      child.stdin.end()
      const said = await new Promise((resolve) => child.stdout.once('data', (/** @type {Buffer} */ text) => resolve(text.toString())))
      assert.match(/** @type {string} */ (said), /^held 8388608 bytes /u)
      if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
    }
  }
}

/** Where nothing would be tested but the same programs again. @param {Context} context */
const isRepeated = (context) => context.kind !== 'hardened'

export const tests = [
  {
    name: 'shim: what programs see of large reads is the same with it',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        for (const [name, shared] of Object.entries(cases)) {
          const { done, held } = await inTime(async () => {
            let done = /** @type {string[]} */ ([])
            const held = await withBroker(place, 'good', () => (done = sameAsWithout(place, name)))
            return { done, held }
          }, ({ done }) => !shared || done.length >= (name === 'whole' ? 2 : 1))
          assert.equal(done.length > 0, shared, `${name}: ${done.join(', ')}`)
          if (name === 'whole') assert.match(held, /^units 1 held 0 /u, 'what was freed is let go of')
        }
      }),
  },
  {
    name: 'shim: a bad broker changes nothing, and nothing of its is taken',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        const plain = without(subject(place, 'whole'))
        for (const mode of badModes) {
          await withBroker(place, mode, () => {
            const done = sameAsWithout(place, 'whole', plain)
            assert.deepEqual(done.filter((line) => line.startsWith('found')), [], mode)
          })
        }
      }),
  },
  {
    name: 'shim: without a broker, or with another user\'s, nothing is handed out',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        assert.deepEqual(sameAsWithout(place, 'whole'), [])
        writeFileSync(place.socket, 'no socket')
        assert.deepEqual(sameAsWithout(place, 'whole'), [])
        assert.deepEqual(withShim(place, subject(place, 'whole'), { AGENTMEM_SOCKET: `/${'long'.repeat(50)}` }).done, [])
        if (process.getuid?.() !== 0) return
        chmodSync(place.folder, 0o777)
        rmSync(place.socket)
        const other = spawn(join(context.testDir, 'shim-broker'), [place.socket, 'good'], { uid: 65534, gid: 65534, stdio: ['ignore', 'pipe', 'inherit'] })
        await new Promise((resolve) => other.stdout.once('data', resolve))
        try {
          assert.deepEqual(sameAsWithout(place, 'whole'), [])
        } finally {
          other.kill('SIGTERM')
          await new Promise((resolve) => other.once('exit', resolve))
        }
      }),
  },
  {
    name: 'shim: processes that read the same hold it once',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        /** @type {number[]} */
        let alone = []
        await whileRunning(place, 2, (pids) => (alone = pids.map(privateKiB)))
        /** @param {number[]} shared @param {number} at */
        const isLess = (shared, at) => (shared[at] ?? 0) < (alone[at] ?? 0) - WHOLE / 1024 + 200
        const { shared, held } = await inTime(async () => {
          /** @type {number[]} */
          let shared = []
          const held = await withBroker(place, 'good', () => whileRunning(place, 2, (pids) => (shared = pids.map(privateKiB))))
          return { shared, held }
        }, ({ shared }) => isLess(shared, 0) && isLess(shared, 1))
        assert.match(held, /^units 1 held 1 /u)
        for (const at of [0, 1]) assert.ok(isLess(shared, at), `${shared.join()} of ${alone.join()} KiB`)
      }),
  },
  {
    name: 'shim: it speaks with the real broker',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        const env = { ...process.env, XDG_RUNTIME_DIR: place.folder, XDG_CONFIG_HOME: place.folder, XDG_STATE_HOME: place.folder }
        const seen = await inTime(async () => {
          const broker = spawn(join(context.binDir, 'agentmem-broker'), ['--foreground', '--socket', place.socket, '--no-store'], { env, stdio: 'inherit' })
          const hasEnded = () => broker.exitCode !== null || broker.signalCode !== null
          try {
            await until(() => listens(place.socket) || hasEnded(), 'a broker that listens')
            assert.ok(!hasEnded(), `a broker that listens, not one that ended with ${broker.exitCode ?? broker.signalCode}`)
            const done = sameAsWithout(place, 'whole').map((line) => line.replace(/ \d+$/u, ''))
            /** @type {boolean[]} */
            let mapped = []
            await whileRunning(place, 2, (pids) => (mapped = pids.map((pid) => readFileSync(`/proc/${pid}/maps`, 'utf8').includes('memfd:'))))
            return { done, mapped }
          } finally {
            broker.kill('SIGTERM')
            if (!hasEnded()) await new Promise((resolve) => broker.once('exit', resolve))
          }
        }, ({ done, mapped }) => done.length === 2 && done[1] === 'found' && mapped.every(Boolean))
        assert.deepEqual(seen, { done: ['handed in', 'found'], mapped: [true, true] })
      }),
  },
  {
    name: 'shim: it leaves children, excluded programs, sources and young files alone',
    run: (/** @type {Context} */ context) =>
      isRepeated(context) ? undefined : inPlace(context, async (place) => {
        /** @param {string[]} command */
        const doneInTime = (command) => inTime(async () => withShim(place, command).done, (done) => done.length > 0)
        await withBroker(place, 'good', async () => {
          const whole = subject(place, 'whole')
          assert.notDeepEqual(await doneInTime(whole), [])
          assert.deepEqual(withShim(place, ['sh', '-c', '"$@"; echo end', 'sh', ...whole]).done, [])
          assert.notDeepEqual(await doneInTime(['sh', '-c', 'exec "$@"', 'sh', ...whole]), [])
          assert.deepEqual(withShim(place, whole, { AGENTMEM_SHARE_EXCLUDE: 'one:shim-subject:two' }).done, [])
          assert.equal(withShim(place, ['sh', '-c', 'sh -c \'echo "[$LD_PRELOAD][$AGENTMEM_SHARE_PID]"\'; :'], { LD_PRELOAD: '' }).stdout, '[][]\n')
          const source = `${place.file}.json`
          copyFileSync(place.file, source)
          utimesSync(source, OLD, OLD)
          assert.deepEqual(withShim(place, [...whole.slice(0, 2), source]).done, [])
          utimesSync(place.file, new Date(), new Date())
          assert.deepEqual(withShim(place, whole).done, [])
        })
      }),
  },
  {
    name: 'shim: large allocations are opted into merging where the launcher asks for it',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        /** Flags of the block with the file. @param {number} pid */
        const merging = (pid) => [...readFileSync(`/proc/${pid}/smaps`, 'utf8').matchAll(/^Size: +(\d+) kB$(?:\n(?!VmFlags).*)*\nVmFlags: (.*)$/gmu)].some(([, size, flags]) => Number(size) >= WHOLE / 1024 && / mg\b/u.test(flags ?? ''))
        /** @type {boolean[]} */
        let plain = []
        /** @type {boolean[]} */
        let asked = []
        await whileRunning(place, 1, (pids) => (plain = pids.map(merging)))
        await whileRunning(place, 1, (pids) => (asked = pids.map(merging)), { AGENTMEM_SHARE_MERGE: 'areas' })
        if (!existsSync('/sys/kernel/mm/ksm/run')) return 'needs a kernel with KSM'
        assert.deepEqual([plain, asked], [[false], [true]])
        return undefined
      }),
  },
  {
    name: 'shim: python and node programs behave the same with it',
    run: (/** @type {Context} */ context) =>
      isRepeated(context) ? undefined : inPlace(context, async (place) => {
        const python = join(place.folder, 'program.py')
        const node = join(place.folder, 'program.cjs')
        writeFileSync(python, pythonProgram)
        writeFileSync(node, nodeProgram)
        const project = join(import.meta.dirname, '..', '..')
        const commands = {
          python: ['python3', '-W', 'error', python, place.file],
          node: [process.execPath, '--expose-gc', node, place.file],
          'node-uring': ['env', 'UV_USE_IO_URING=1', process.execPath, node, place.file],
          vite: [process.execPath, join(project, 'node_modules/vite/bin/vite.js'), '--version'],
          agent: agentCommand(place.folder),
        }
        for (const [name, command] of Object.entries(commands)) {
          if (command === null) continue
          const plain = without(command)
          assert.equal(plain.status, 0, `${name}: ${plain.stderr}`)
          assert.notEqual(plain.stdout, '', name)
          const asks = !['vite', 'agent'].includes(name)
          const done = await inTime(async () => {
            let did = /** @type {string[]} */ ([])
            await withBroker(place, 'good', () => {
              const { done, ...shimmed } = withShim(place, command)
              assert.deepEqual(shimmed, plain, name)
              did = done
            })
            return did
          }, (did) => !asks || did.length > 0)
          assert.equal(done.length > 0, asks, `${name}: ${done.join(', ')}`)
          // The others ask for nothing.
          if (asks) await withBroker(place, 'die-9', () => {
            const { done: _, ...shimmed } = withShim(place, command)
            assert.deepEqual(shimmed, plain, name)
          })
        }
      }),
  },
]
