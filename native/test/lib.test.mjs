/** libagentmem: the same tests for each backend, what the library shows, its pages and its examples. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

const nativeDir = dirname(dirname(fileURLToPath(import.meta.url)))

/** What a started broker listens on and keeps, in a folder of its own. @param {Context} context @param {string} folder */
const environment = (context, folder) => ({
  ...process.env,
  AGENTMEM_SOCKET: join(folder, 'broker.sock'),
  AGENTMEM_BROKER: join(context.binDir, 'agentmem-broker'),
  HOME: folder,
  XDG_STATE_HOME: folder,
  XDG_CONFIG_HOME: folder,
  XDG_RUNTIME_DIR: folder,
  // Sanitizers: a broker that is killed has nothing to say.
  TSAN_OPTIONS: 'halt_on_error=1 second_deadlock_stack=1',
})

/** @template Result @param {(folder: string) => Result} use */
const inFolder = (use) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-lib-'))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Ends brokers that were started on this socket. @param {string} socket */
const endBrokers = (socket) => {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/u.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(socket)) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

/** @param {Context} context @param {string} backend @param {string} test */
const run = (context, backend, test) =>
  inFolder((folder) => {
    const env = environment(context, folder)
    const { status, signal, stdout, stderr } = spawnSync(join(context.testDir, 'test-lib'), [backend, test], { encoding: 'utf8', env, timeout: 120_000 })
    endBrokers(env.AGENTMEM_SOCKET)
    if (status === 77) return 'needs a broker with a cold store'
    assert.deepEqual({ status, signal }, { status: 0, signal: null }, `${stdout}${stderr}`)
    return undefined
  })

const everywhere = ['right', 'wrong', 'sizes', 'model', 'threads', 'forks', 'descriptors', 'tokens', 'quota', 'close']
const brokerOnly = ['choice', 'lost', 'kills', 'cold', 'frozen', 'cancelled', 'child-ends', 'hostile']
const moduleOnly = ['child-ends', 'module']
const backends = ['private', 'broker', ...(existsSync('/dev/agentmem') ? ['module'] : [])]

/** Functions as the header declares them, in one line each. @returns {Map<string, string>} */
const prototypes = () => {
  const header = readFileSync(join(nativeDir, 'include/agentmem.h'), 'utf8')
  return new Map([...header.matchAll(/^[a-z][\w ]*\*?(agentmem_\w+)\([^;]*\);$/gmu)].map((match) => /** @type {const} */ ([match[1] ?? '', match[0]])))
}

/** @param {Context} context */
const shownNames = (context) => {
  const { status, stdout, stderr } = spawnSync('nm', ['-D', '--defined-only', join(context.binDir, 'libagentmem.so')], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout.trim().split('\n').map((line) => line.split(' ').slice(1).join(' ')).toSorted()
}

export const threaded = true

export const tests = [
  ...backends.flatMap((backend) =>
    [...everywhere, ...(backend === 'broker' ? brokerOnly : backend === 'module' ? moduleOnly : [])].map((test) => ({
      name: `lib ${backend}: ${test}`,
      run: (/** @type {Context} */ context) => run(context, backend, test),
    })),
  ),
  {
    name: 'lib shows the names of its header with AGENTMEM_1, and no others',
    run: (/** @type {Context} */ context) => {
      if (context.kind === 'threaded') return 'needs the library itself, which is tested in the other builds'
      /** @type {string[]} */
      const names = [...prototypes().keys()].toSorted()
      assert.ok(names.length > 20)
      assert.deepEqual(shownNames(context), ['A AGENTMEM_1', ...names.map((name) => `T ${name}@@AGENTMEM_1`)].toSorted())
      const { stdout } = spawnSync('readelf', ['-d', join(context.binDir, 'libagentmem.so')], { encoding: 'utf8' })
      assert.match(stdout, /soname: \[libagentmem\.so\.1\]/u)
      // What is installed needs nothing beside it.
      assert.deepEqual([...stdout.matchAll(/\(NEEDED\).*\[(.+)\]/gu)].map(([, name]) => name), ['libc.so.6'])
      return undefined
    },
  },
  {
    name: 'lib has a page for each function, with the prototype of the header',
    run: () => {
      const pages = globSync('man/agentmem_*.3', { cwd: nativeDir }).map((file) => file.slice(4, -2))
      assert.deepEqual(pages.toSorted(), [...prototypes().keys()].toSorted())
      const overview = readFileSync(join(nativeDir, 'man/agentmem.7'), 'utf8')
      for (const [name, prototype] of prototypes()) {
        const page = readFileSync(join(nativeDir, `man/${name}.3`), 'utf8')
        const synopsis = page.slice(page.indexOf('.SH SYNOPSIS'), page.indexOf('.SH DESCRIPTION')).replaceAll('\\-', '-')
        assert.ok(synopsis.includes(`\n.B ${prototype}\n`), `${name}.3 has another prototype than agentmem.h:\n${synopsis}`)
        for (const section of ['NAME', 'DESCRIPTION', 'RETURN VALUE', 'SEE ALSO']) assert.ok(page.includes(`\n.SH ${section}\n`), `${name}.3 has no ${section}`)
        assert.ok(overview.includes(`.BR ${name} (3)`), `agentmem.7 does not name ${name}`)
      }
    },
  },
  {
    name: 'lib: twenty lines of C share a prompt and keep a conversation',
    run: (/** @type {Context} */ context) => {
      if (context.kind === 'threaded') return 'needs the library itself, which is tested in the other builds'
      return inFolder((folder) => {
        const compiler = process.env['CC'] ?? 'cc'
        const program = join(folder, 'twenty-lines')
        const built = spawnSync(
          compiler,
          ['-std=c17', '-Wall', '-Wextra', '-Werror', '-Wno-misleading-indentation', `-I${join(nativeDir, 'include')}`, '-o', program, join(nativeDir, 'user/lib/examples/twenty-lines.c'), `-L${context.binDir}`, '-lagentmem', `-Wl,-rpath,${context.binDir}`],
          { encoding: 'utf8' },
        )
        assert.equal(built.status, 0, built.stderr)
        const env = environment(context, folder)
        for (const broker of [env.AGENTMEM_BROKER, '/no/such/program']) {
          const out = spawnSync(program, { encoding: 'utf8', env: { ...env, AGENTMEM_BROKER: broker } })
          endBrokers(env.AGENTMEM_SOCKET)
          assert.deepEqual([out.stdout, out.stderr, out.status], ['You are a careful assistant.\n{"role":"user","content":"hello"}\n', '', 0])
        }
      })
    },
  },
]
