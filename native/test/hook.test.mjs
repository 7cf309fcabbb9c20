/** agentmem-hook: one line to the socket, silence and exit code 0 whatever comes. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

/** @param {Context} context @param {string[]} args @param {string} input @param {string} runtime */
const hook = (context, args, input, runtime) =>
  spawnSync(join(context.binDir, 'agentmem-hook'), args, { encoding: 'utf8', input, env: { ...process.env, XDG_RUNTIME_DIR: runtime } })

/** What a listener hears from one call. @param {Context} context @param {string[]} args @param {string} input */
const heardFrom = async (context, args, input) => {
  const runtime = mkdtempSync(join(tmpdir(), 'agentmem-hook-'))
  mkdirSync(join(runtime, 'agentmem'))
  const server = createServer()
  try {
    const heard = new Promise((resolve) => {
      server.once('connection', (socket) => {
        socket.on('error', () => undefined)
        socket.once('data', (chunk) => {
          resolve(chunk.toString('utf8'))
          socket.destroy()
        })
      })
    })
    await new Promise((resolve) => {
      server.listen(join(runtime, 'agentmem', 'hooks.sock'), () => resolve(undefined))
    })
    const child = spawn(join(context.binDir, 'agentmem-hook'), args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, XDG_RUNTIME_DIR: runtime } })
    let printed = ''
    child.stdout.on('data', (chunk) => { printed += chunk })
    child.stderr.on('data', (chunk) => { printed += chunk })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    const code = await new Promise((resolve) => {
      child.once('close', resolve)
    })
    assert.equal(code, 0)
    assert.equal(printed, '')
    return { line: String(await Promise.race([heard, sleep(5000, 'nothing', { ref: false })])), pid: child.pid }
  } finally {
    server.close()
    rmSync(runtime, { recursive: true })
  }
}

export const tests = [
  {
    name: 'hook sends its process, the agent, the event and the session of its input',
    run: async (/** @type {Context} */ context) => {
      const { line, pid } = await heardFrom(context, ['claude-code', 'turn-start'], '{"cwd":"/x","session_id" : "0a-1b","prompt":"secret"}')
      assert.equal(line, `1 ${pid} claude-code turn-start 0a-1b\n`)
    },
  },
  {
    name: 'hook takes the session from its last word, plain or as JSON',
    run: async (/** @type {Context} */ context) => {
      assert.match((await heardFrom(context, ['codex', 'turn-end', '{"type":"agent-turn-complete","thread-id":"t-9"}'], '')).line, / codex turn-end t-9\n$/u)
      assert.match((await heardFrom(context, ['opencode', 'turn-start', 'ses_4'], '')).line, / opencode turn-start ses_4\n$/u)
    },
  },
  {
    name: 'hook sends nothing of a session id that is none, and survives large input',
    run: async (/** @type {Context} */ context) => {
      assert.match((await heardFrom(context, ['claude-code', 'turn-end'], '{"session_id":"a b\\n1 1 x"}')).line, / turn-end a\n$/u)
      assert.match((await heardFrom(context, ['claude-code', 'turn-end'], `{"x":"${'y'.repeat(300_000)}"}`)).line, / turn-end -\n$/u)
    },
  },
  {
    name: 'hook is silent and ends with 0 where nobody listens and for wrong words',
    run: (/** @type {Context} */ context) => {
      for (const args of [['claude-code', 'turn-start'], [], ['Claude', 'x'], ['claude-code', 'x y'], ['a'.repeat(65), 'turn-end']]) {
        const out = hook(context, args, '{}', '/nonexistent')
        assert.equal(out.status, 0)
        assert.equal(out.stdout + out.stderr, '')
      }
    },
  },
]
