/**
 * A hundred agents, each with a prompt of 50 MB, tool definitions of 100 MB
 * and a conversation of 300 MB, really held: 45 GB plain. Once as a hundred
 * independent conversations, once as 80 with 20 forks of one; every byte is
 * read back and compared. Beside it, at a fifth of the size: private copies,
 * the same paged out to zram, the same merged by KSM. Needs root for these
 * two, 16 GiB of memory and 40 GB of disk.
 *
 * --agents N --forks N: one set only; --peers no: without these.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { takeKernelLock } from '../installed/kernel-lock.ts'
import { figure, figures, program, pssBytes, startBroker, textFolder } from './parts/broker.ts'
import { createRows } from './parts/rows.ts'

const { values } = parseArgs({
  options: {
    agents: { type: 'string' }, forks: { type: 'string', default: '0' }, peers: { type: 'string', default: 'yes' },
    'warm-mib': { type: 'string', default: '3200' }, 'hot-mib': { type: 'string', default: '400' },
  },
})
const rows = createRows('hundred-agents')
const MB = 1e6
const PEER_AGENTS = 20

const mib = (name: 'warm-mib' | 'hot-mib', share: number): string => String(Math.round(Number(values[name]) * share))

/** `share`: of the memory that the broker may use. */
const set = async (agents: number, forks: number, mostMB: number, share = 1): Promise<void> => {
  const broker = await startBroker()
  try {
    const seen = await figures('bench-hundred', ['units', textFolder, String(broker.pid), String(agents), String(forks), mib('warm-mib', share), mib('hot-mib', share)], broker.env)
    const name = forks === 0 ? `${agents} independent` : `${agents} and ${forks} forks`
    rows.shown(`${name}: plain`, figure(seen, 'plain'), 'MB')
    rows.atMost(`${name}: resident, settled`, figure(seen, 'resident'), mostMB, 'MB')
    rows.shown('  the most while writing', figure(seen, 'resident-most-writing'), 'MB')
    rows.shown('  the most while reading back', figure(seen, 'resident-most-reading'), 'MB')
    rows.shown('  of it hot', figure(seen, 'hot'), 'MB')
    rows.shown('  of it compressed', figure(seen, 'warm'), 'MB')
    rows.shown('  on SSD', figure(seen, 'ssd'), 'MB')
    rows.shown('  conversations, plain to stored', figure(seen, 'conversations-ratio'), 'x')
    rows.shown('  written at', figure(seen, 'written-speed'), 'MB/s')
    rows.shown('  read back at', figure(seen, 'read-speed'), 'MB/s')
    rows.shown('  read back', figure(seen, 'read-back'), 'MB')
    rows.atMost('  wrong pieces', figure(seen, 'wrong'), 0, '')
  } finally {
    await broker.stop()
  }
}

const kernelFile = (path: string): string => readFileSync(path, 'utf8').trim()
const ticksOf = (pid: number): string => /^\d+ \(.*\) \S(?: \S+){18} (\d+)/su.exec(kernelFile(`/proc/${pid}/stat`))?.[1] ?? ''
const sumPss = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + pssBytes(pid), 0)

/** Processes that hold a fifth as ordinary memory; `use` gets their pids. */
const withPeers = async (merge: boolean, use: (pids: readonly number[]) => Promise<void>): Promise<void> => {
  const child = spawn(program('bench-hundred', 'native-bench'), ['peer', textFolder, String(PEER_AGENTS), merge ? '1' : '0'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const pids: number[] = []
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('pid ')) pids.push(Number(line.split(' ')[1]))
      if (line.startsWith('ready')) break
    }
    if (pids.length !== PEER_AGENTS) throw new Error(`expected ${PEER_AGENTS} peers, got ${pids.length}`)
    await use(pids)
  } finally {
    child.stdin.end()
    await ended
  }
}

const zramPeer = async (pids: readonly number[]): Promise<void> => {
  const number = kernelFile('/sys/class/zram-control/hot_add')
  const device = `/dev/zram${number}`
  try {
    writeFileSync(`/sys/block/zram${number}/disksize`, String(12 * 1024 ** 3))
    for (const [command = '', ...args] of [['mkswap', '-L', 'agentmem-test', device], ['swapon', '-p', '100', device]]) {
      const out = spawnSync(command, args, { encoding: 'utf8' })
      if (out.status !== 0) throw new Error(`${command}: ${out.stderr}`)
    }
    const out = spawnSync(program('agentmem-reclaim'), ['--advice', 'pageout', '--uid', '0', ...pids.map((pid) => `${pid}:${ticksOf(pid)}`)], { encoding: 'utf8' })
    if (out.status !== 0) throw new Error(`agentmem-reclaim: ${out.stderr}`)
    const pool = Number(kernelFile(`/sys/block/zram${number}/mm_stat`).split(/\s+/u)[2])
    rows.shown(`peer: zram ${/\[(\S+)\]/u.exec(kernelFile(`/sys/block/zram${number}/comp_algorithm`))?.[1] ?? ''}, resident`, (sumPss(pids) + pool) / MB, 'MB')
  } finally {
    spawnSync('swapoff', [device])
    writeFileSync(`/sys/block/zram${number}/reset`, '1')
    writeFileSync('/sys/class/zram-control/hot_remove', number)
  }
}

const KSM = '/sys/kernel/mm/ksm'
const ksmPeer = async (pids: readonly number[]): Promise<void> => {
  const names = ['pages_to_scan', 'sleep_millisecs', 'run']
  const before = names.map((name) => kernelFile(join(KSM, name)))
  const started = Date.now()
  try {
    writeFileSync(join(KSM, 'pages_to_scan'), '20000')
    writeFileSync(join(KSM, 'sleep_millisecs'), '10')
    writeFileSync(join(KSM, 'run'), '1')
    let last = -1
    for (let turn = 0; turn < 24; turn += 1) {
      await sleep(10_000)
      const now = Number(kernelFile(join(KSM, 'pages_sharing')))
      if (now > 0 && now - last < last / 100) break
      last = now
    }
    rows.shown(`peer: KSM after ${Math.round((Date.now() - started) / 1000)} s, resident`, sumPss(pids) / MB, 'MB')
  } finally {
    writeFileSync(join(KSM, 'run'), '2')
    names.forEach((name, at) => { writeFileSync(join(KSM, name), before[at] ?? '0') })
  }
}

const peers = async (): Promise<void> => {
  await withPeers(false, async (pids) => {
    rows.shown(`peers with ${PEER_AGENTS} agents, a fifth: private copies, resident`, sumPss(pids) / MB, 'MB')
    if (process.getuid?.() === 0 && existsSync('/sys/class/zram-control/hot_add')) await zramPeer(pids)
  })
  if (process.getuid?.() === 0 && existsSync(KSM)) await withPeers(true, ksmPeer)
}

if (values.agents !== undefined) {
  await set(Number(values.agents), Number(values.forks), Number(values.forks) > 0 ? 5200 : 6150)
} else {
  await set(100, 0, 6150)
  await set(80, 20, 5200)
  // A fifth of the size by the same means, to stand beside the peers.
  if (values.peers === 'yes') await set(PEER_AGENTS, 0, 6150 / 5, 1 / 5)
}
if (values.peers === 'yes') {
  const lock = await takeKernelLock()
  await peers()
  await lock.release()
}
rows.print()
