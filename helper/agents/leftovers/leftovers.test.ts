import { spawn, type ChildProcess } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readProcessTable, readStat } from '../../observe/process.ts'
import { createSampler } from '../activity/sampler.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from '../signatures.ts'
import { createLeftovers, type Leftovers } from './leftovers.ts'

/** Real processes: a copy of node where the signature expects Claude Code, which starts servers as an agent does. */
const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH)
if (!loaded.ok) throw new Error(loaded.error.message)
const signatures = loaded.value
const uid = process.getuid?.() ?? 0

const folder = mkdtempSync(join(tmpdir(), 'agentmem-leftovers-'))
const agentProgram = join(folder, 'node_modules/@anthropic-ai/claude-code-linux-x64/claude')
/** Ignores the end of its input, as the servers that stay behind do. */
const server = join(folder, 'mcp-server-notes.mjs')
/** A server that, unlike node, leaves alone that a hang-up is to be ignored. */
const plainServer = join(folder, 'mcp-server-plain')
/** Starts what its arguments say (JSON), writes their pids, and stays. */
const agentScript = join(folder, 'agent.mjs')

beforeAll(() => {
  mkdirSync(dirname(agentProgram), { recursive: true })
  copyFileSync(process.execPath, agentProgram)
  copyFileSync('/bin/bash', plainServer)
  writeFileSync(server, `process.stdin.resume(); process.stdin.on('error', () => {}); setInterval(() => {}, 1000)
if (process.argv.includes('--helper')) { const { spawn } = await import('node:child_process'); spawn('sleep', ['300'], { stdio: 'ignore' }) }
if (process.argv.includes('--listen')) { const { createServer } = await import('node:http'); createServer().listen(0, '127.0.0.1') }
if (process.argv.includes('--stubborn')) process.on('SIGTERM', () => {})
`)
  writeFileSync(agentScript, `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs'
const pids = JSON.parse(process.argv[3]).map(({ command, stdio, detached }) => spawn(command[0], command.slice(1), { stdio, detached }).pid)
writeFileSync(process.argv[2], JSON.stringify(pids)); setInterval(() => {}, 1000)
`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const agents: ChildProcess[] = []
const started = new Set<number>()
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill('SIGKILL')
  for (const pid of started) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Ended by the test.
    }
  }
  started.clear()
})

interface Child { readonly command: readonly string[]; readonly stdio: readonly ('pipe' | 'ignore')[]; readonly detached?: boolean }
const onPipes = (...more: readonly string[]): Child => ({ command: [process.execPath, server, ...more], stdio: ['pipe', 'pipe', 'ignore'] })

let files = 0
const startAgent = async (...children: readonly Child[]): Promise<{ agent: ChildProcess; pids: number[] }> => {
  files += 1
  const out = join(folder, `pids-${files}.json`)
  const agent = spawn(agentProgram, [agentScript, out, JSON.stringify(children)], { stdio: 'ignore', cwd: folder })
  agents.push(agent)
  for (;;) {
    await sleep(50)
    try {
      const pids = JSON.parse(readFileSync(out, 'utf8')) as number[]
      for (const pid of pids) started.add(pid)
      return { agent, pids }
    } catch {
      // Not written yet.
    }
  }
}
const endAgent = async (agent: ChildProcess): Promise<void> => {
  agent.kill('SIGKILL')
  while (agent.signalCode === null) await sleep(20)
}
const isAlive = (pid: number): boolean => !['Z', undefined].includes(readStat('/', pid).value?.kernelState)
const refOf = (pid: number) => ({ pid, startTimeTicks: readStat('/', pid).value?.startTimeTicks ?? -1 })
/** Other agents of this user may run on the machine: only ours are looked at. */
const orphansAmong = async (leftovers: Leftovers, pids: readonly number[]) => (await leftovers.look()).orphans.filter((orphan) => pids.includes(orphan.pid))
const ripen = (): Promise<void> => sleep(3_300) // younger ones may still be on their way to their parent

test('a server whose agent was killed is listed with what is below it, and reaped', async () => {
  const leftovers = createLeftovers({ root: '/', signatures, uid, graceMs: 1000 })
  const { agent, pids } = await startAgent(onPipes('--helper', '--stubborn'))
  await expect.poll(() => [...readProcessTable('/').processes.values()].some(({ parentPid }) => parentPid === pids[0])).toBe(true)
  await ripen()
  expect(await orphansAmong(leftovers, pids)).toEqual([])
  await endAgent(agent)
  const [orphan] = await orphansAmong(leftovers, pids)
  expect(orphan).toMatchObject({ pid: pids[0], role: 'mcp-server', label: 'notes MCP server', why: expect.stringContaining('its session is gone') as string })
  expect(orphan?.costBytes.value).toBeGreaterThan(1024 * 1024)
  const [child] = orphan?.children ?? []
  if (orphan === undefined || child === undefined) throw new Error('expected an orphan with a child')
  started.add(child.pid)
  const strange = { ...refOf(process.pid) }
  const answer = await leftovers.reap([{ pid: orphan.pid, startTimeTicks: orphan.startTimeTicks }, strange])
  expect(answer.ended.map(({ pid }) => pid).toSorted((a, b) => a - b)).toEqual([orphan.pid, child.pid].toSorted((a, b) => a - b))
  expect(answer.left).toEqual([{ ...strange, reason: expect.stringContaining('no orphan') as string }])
  expect([orphan.pid, child.pid].map(isAlive)).toEqual([false, false])
  expect(await orphansAmong(leftovers, pids)).toEqual([])
}, 30_000)

test('what was made to outlive its session is not listed, nor reaped when asked', async () => {
  const leftovers = createLeftovers({ root: '/', signatures, uid, graceMs: 1000 })
  const daemon: Child = { command: [process.execPath, server], stdio: ['ignore', 'ignore', 'ignore'], detached: true }
  const forever = [plainServer, '-c', 'while true; do sleep 0.5; done'] as const
  const { agent, pids } = await startAgent(daemon, { command: ['nohup', ...forever], stdio: ['pipe', 'pipe', 'ignore'] }, { command: forever, stdio: ['pipe', 'pipe', 'ignore'] })
  const left = pids.slice(0, 2)
  await ripen()
  await endAgent(agent)
  expect(pids.map(isAlive)).toEqual([true, true, true])
  // The third is the second without nohup: what is left out is left out for that alone.
  expect((await orphansAmong(leftovers, pids)).map(({ pid }) => pid)).toEqual(pids.slice(2))
  const answer = await leftovers.reap(left.map(refOf))
  expect(answer.ended).toEqual([])
  expect(left.map(isAlive)).toEqual([true, true])
}, 30_000)

test('a server that still has somebody at its input is none', async () => {
  const leftovers = createLeftovers({ root: '/', signatures, uid })
  // Both ends of a pipe: a shell writes to the server, and both outlive the agent.
  const { agent, pids } = await startAgent({ command: ['bash', '-c', `sleep 60 | "${process.execPath}" "${server}" & sleep 60 & wait`], stdio: ['ignore', 'ignore', 'ignore'] })
  await ripen()
  await endAgent(agent)
  const [shell] = pids
  if (shell === undefined) throw new Error('expected a shell')
  const below = [...readProcessTable('/').processes.values()].filter(({ parentPid }) => parentPid === shell).map(({ pid }) => pid)
  for (const pid of below) started.add(pid)
  expect(below).toHaveLength(3)
  process.kill(shell, 'SIGKILL')
  await sleep(200)
  expect(await orphansAmong(leftovers, below)).toEqual([])
}, 30_000)

test('a tool seen in an agent\'s tree is known when it outlives it', async () => {
  const leftovers = createLeftovers({ root: '/', signatures, uid, graceMs: 1000 })
  const { agent, pids } = await startAgent({ command: ['sleep', '200'], stdio: ['ignore', 'ignore', 'ignore'] })
  await ripen()
  leftovers.note(await createSampler({ root: '/', signatures, uid, ss: null }).sample())
  expect(await orphansAmong(leftovers, pids)).toEqual([])
  await endAgent(agent)
  expect(await orphansAmong(leftovers, pids)).toMatchObject([{ role: 'tool', label: 'sleep', why: expect.stringContaining('its agent was last seen') as string }])
  expect(await orphansAmong(createLeftovers({ root: '/', signatures, uid }), pids)).toEqual([])
  expect((await leftovers.reap(pids.map(refOf))).ended).toHaveLength(1)
}, 30_000)

test('a later process with the same number is not touched', async () => {
  const leftovers = createLeftovers({ root: '/', signatures, uid })
  const { agent, pids } = await startAgent(onPipes())
  await ripen()
  await endAgent(agent)
  const [pid] = pids
  if (pid === undefined) throw new Error('expected a server')
  const stale = { pid, startTimeTicks: refOf(pid).startTimeTicks - 1 }
  expect(await leftovers.reap([stale])).toMatchObject({ ended: [], left: [stale] })
  expect(isAlive(pid)).toBe(true)
}, 30_000)

test('the same server of two sessions is one duplicate, shared only where it speaks HTTP', async () => {
  const leftovers = createLeftovers({ root: '/', signatures, uid })
  const started2 = [await startAgent(onPipes(), onPipes('--listen')), await startAgent(onPipes(), onPipes('--listen'))]
  const ours = new Set(started2.flatMap(({ pids }) => pids))
  const look = async () => (await leftovers.look()).duplicates.filter(({ processes }) => processes.some(({ pid }) => ours.has(pid)))
  // A server listens some time after it was started.
  await expect.poll(async () => (await look()).map(({ share }) => share.possible)).toEqual([false, true])
  const duplicates = await look()
  expect(duplicates.map(({ label, processes, share }) => [label, processes.length, share.possible])).toEqual([['notes MCP server', 2, false], ['notes MCP server', 2, true]])
  const [alone, shared] = duplicates
  expect(alone?.couldSaveBytes.value).toBeNull()
  const costs = shared?.processes.map(({ costBytes }) => costBytes.value ?? 0) ?? []
  expect(shared?.couldSaveBytes.value).toBe(Math.min(...costs))
  expect(new Set(shared?.processes.map(({ agentId }) => agentId)).size).toBe(2)
}, 30_000)
