import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { snapshotSchema, type Snapshot } from '../../helper/contract/snapshot.ts'
import { isAlive, startFleet, type Fleet } from '../fixtures/fleet/fleet.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { treeOf } from '../fixtures/fleet/processes.ts'
import { fleetPrograms, whyNot } from './needs.ts'

const reason = whyNot(fleetPrograms)
const projectDir = join(import.meta.dirname, '..', '..')

const look = async (uid: number): Promise<Snapshot> => {
  const text = await runCommand(process.execPath, [join(projectDir, 'helper/agents/snapshot-cli.ts'), '--uid', String(uid)])
  return snapshotSchema.parse(JSON.parse(text))
}

const server = `require('node:http').createServer((_, answer) => answer.end('ok')).listen(0, '127.0.0.1')\n`

/** Programs with an agent's name that are none; each is [what it is, command]. */
const makeDecoys = async (folder: string): Promise<[string, readonly string[]][]> => {
  const file = async (path: string, text: string): Promise<string> => {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), text)
    return join(folder, path)
  }
  const sleepAs = async (path: string): Promise<string> => {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await copyFile('/bin/sleep', join(folder, path))
    await chmod(join(folder, path), 0o755)
    return join(folder, path)
  }
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : null
  const decoys: [string, readonly string[]][] = [
    ['node server called claude', ['node', await file('claude.cjs', server)]],
    ['node server in a folder called claude-code', ['node', await file('claude-code/server.cjs', server)]],
    ['node server of a proxy called gemini-cli-proxy', ['node', await file('gemini-cli-proxy/index.cjs', server)]],
    ['node server with an agent named in its arguments', ['node', await file('web.cjs', server), '--backend', '@google/gemini-cli']],
    ['another package of the same scope', ['node', await file('node_modules/@google/gemini-cli-core-demo/server.cjs', server)]],
    ['a program of the user called opencode', [await sleepAs('tools/opencode'), '10000']],
    ['a program of the user called codex', [await sleepAs('tools/codex'), '10000']],
    ['a shell with an agent in its command', ['bash', '--norc', '-c', 'sleep 10000; : claude']],
  ]
  if (python !== null) {
    const wait = 'import http.server\nhttp.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler).serve_forever()\n'
    decoys.push(['python server called aider_server', [python, await file('aider_server.py', wait)]])
    decoys.push(['python server called codex', [python, await file('codex.py', wait)]])
  }
  return decoys
}

describe.skipIf(reason !== null)(`discovery of real agents${reason === null ? '' : ` (${reason})`}`, () => {
  let fleet: Fleet
  let snapshot: Snapshot
  const decoyPids = new Map<number, string>()
  const treesBefore = new Map<number, number[]>()
  const treesAfter = new Map<number, number[]>()

  beforeAll(async () => {
    fleet = await startFleet({ counts: { 'claude-code': 1, 'gemini-cli': 1, opencode: 1, codex: 1 }, mcp: true })
    const folder = join(fleet.ground.folder, 'decoys')
    for (const [what, command] of await makeDecoys(folder)) {
      const { shellPid } = await fleet.run(command)
      decoyPids.set(shellPid, what)
    }
    // Until each decoy has been exec'd: the shell of its pane has a child.
    for (const [shellPid, what] of Array.from(decoyPids)) {
      await vi.waitFor(async () => {
        expect((await treeOf(shellPid)).length, what).toBeGreaterThan(1)
      }, { timeout: 10_000, interval: 100 })
      for (const pid of await treeOf(shellPid)) decoyPids.set(pid, what)
    }
    for (const agent of fleet.agents) treesBefore.set(agent.main.pid, await treeOf(agent.main.pid))
    snapshot = await look(fleet.user.uid)
    for (const agent of fleet.agents) treesAfter.set(agent.main.pid, await treeOf(agent.main.pid))
  })
  afterAll(() => fleet?.stop())

  test('finds each real agent as its kind, exactly once', async () => {
    for (const agent of fleet.agents) expect(await isAlive(agent), agent.kind).toBe(true)
    const found = snapshot.agents.map(({ kind, pid, startTimeTicks }) => ({ kind, pid, startTimeTicks }))
    const real = fleet.agents.map(({ kind, main }) => ({ kind, pid: main.pid, startTimeTicks: main.startTimeTicks }))
    const order = (a: { pid: number }, b: { pid: number }): number => a.pid - b.pid
    expect(found.toSorted(order)).toEqual(real.toSorted(order))
  })

  /** Found, and there on neither side of the look: helpers of a moment's life, which have ended by now. */
  const momentary = (main: number): number[] => {
    const sides = [...(treesBefore.get(main) ?? []), ...(treesAfter.get(main) ?? [])]
    return (snapshot.agents.find(({ pid }) => pid === main)?.processes ?? []).map(({ pid }) => pid).filter((pid) => !sides.includes(pid))
  }

  test('gives each agent its whole tree and nothing else', () => {
    for (const agent of fleet.agents) {
      const found = snapshot.agents.find(({ pid }) => pid === agent.main.pid)?.processes.map(({ pid }) => pid) ?? []
      const before = treesBefore.get(agent.main.pid) ?? []
      const after = treesAfter.get(agent.main.pid) ?? []
      // Agents start helpers of a moment's life: what was there on both sides of the look must be in it.
      expect(found, agent.kind).toEqual(expect.arrayContaining(before.filter((pid) => after.includes(pid))))
      expect(momentary(agent.main.pid).filter((pid) => existsSync(`/proc/${pid}`)), agent.kind).toEqual([])
      expect(found).not.toContain(agent.shellPid)
    }
  })

  test('knows the project folder, the name and what it costs', () => {
    for (const agent of fleet.agents) {
      const found = snapshot.agents.find(({ pid }) => pid === agent.main.pid)
      expect(found?.projectFolder).toEqual({ value: agent.projectFolder })
      expect(found?.name).toBe(basename(agent.projectFolder))
      expect(found?.uid).toBe(fleet.user.uid)
      expect(found?.cost.unmeasured).toBeLessThanOrEqual(momentary(agent.main.pid).length)
      expect(found?.cost.costBytes).toBeGreaterThan(20 * 1024 * 1024)
    }
  })

  test('tells the MCP server of a real agent from the agent itself', () => {
    for (const kind of ['claude-code', 'gemini-cli']) {
      const roles = snapshot.agents.find((agent) => agent.kind === kind)?.processes.map(({ role }) => role) ?? []
      expect(roles.filter((role) => role === 'mcp-server'), kind).toHaveLength(1)
      expect(roles, kind).toContain('main')
    }
  })

  test('takes no server or shell with an agent-like name for an agent', () => {
    expect(decoyPids.size).toBeGreaterThanOrEqual(16)
    const taken = snapshot.agents.flatMap((agent) => agent.processes).filter(({ pid }) => decoyPids.has(pid))
    expect(taken.map(({ pid, label }) => `${decoyPids.get(pid)}: ${label}`)).toEqual([])
  })
})
