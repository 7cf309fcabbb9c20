/** agentmem-run: becomes the program, never fails because of us. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

/** @param {Context} context @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
const run = (context, args, env = {}) => spawnSync(join(context.binDir, 'agentmem-run'), args, { encoding: 'utf8', env: { ...process.env, ...env } })

const mergeIsKept = () => {
  const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number)
  return existsSync('/sys/kernel/mm/ksm/run') && existsSync('/proc/self/ksm_stat') && (major > 6 || (major === 6 && minor >= 7))
}

export const tests = [
  {
    name: 'run passes arguments, environment and exit code through',
    run: (/** @type {Context} */ context) => {
      const out = run(context, ['--', 'sh', '-c', 'printf "%s|" "$@"; echo "$MARK"; exit 7', 'sh', 'a b', '', '--no-merge'], { MARK: 'kept' })
      assert.equal(out.stdout, 'a b||--no-merge|kept\n')
      assert.equal(out.status, 7)
      assert.equal(out.stderr, '')
    },
  },
  {
    name: 'run opts the program and its children into merging',
    run: (/** @type {Context} */ context) => {
      if (!mergeIsKept()) return 'needs Linux 6.7 with KSM and /proc/PID/ksm_stat'
      const merged = run(context, ['--', 'sh', '-c', 'sh -c "cat /proc/self/ksm_stat"'])
      assert.match(merged.stdout, /ksm_merge_any: yes/u)
      const plain = run(context, ['--no-merge', '--', 'cat', '/proc/self/ksm_stat'])
      assert.match(plain.stdout, /ksm_merge_any: no/u)
      return undefined
    },
  },
  {
    name: 'run exits 127 for a missing program, 126 for one that cannot be run, 125 for wrong usage',
    run: (/** @type {Context} */ context) => {
      const missing = run(context, ['--', 'agentmem-no-such-program'])
      assert.equal(missing.status, 127)
      assert.match(missing.stderr, /^agentmem-run: agentmem-no-such-program: .+\n$/u)
      const folder = mkdtempSync(join(tmpdir(), 'agentmem-run-'))
      try {
        const text = join(folder, 'text')
        writeFileSync(text, 'not a program')
        chmodSync(text, 0o644)
        assert.equal(run(context, ['--', text]).status, 126)
      } finally {
        rmSync(folder, { recursive: true })
      }
      for (const args of [[], ['--'], ['--no-merge'], ['--wrong', '--', 'true']]) assert.equal(run(context, args).status, 125, args.join(' '))
    },
  },
  {
    name: 'run starts the program where merging is refused, and says why only when asked',
    run: (/** @type {Context} */ context) => {
      const refused = (/** @type {NodeJS.ProcessEnv} */ env) =>
        spawnSync(join(context.testDir, 'refuse-merge'), [join(context.binDir, 'agentmem-run'), '--', 'echo', 'fine'], { encoding: 'utf8', env: { ...process.env, ...env } })
      const quiet = refused({})
      if (quiet.status === 77) return 'needs seccomp filters'
      assert.deepEqual([quiet.stdout, quiet.stderr, quiet.status], ['fine\n', '', 0])
      const verbose = refused({ AGENTMEM_VERBOSE: '1' })
      assert.deepEqual([verbose.stdout, verbose.status], ['fine\n', 0])
      assert.match(verbose.stderr, /^agentmem-run: memory is not merged: needs Linux 6\.4 with CONFIG_KSM, this is [^\n]+\n$/u)
      return undefined
    },
  },
]
