/**
 * What units cost beside doing without them: look-up, hand-in, mapping,
 * spawning, packing, cold reads, the broker's own memory, and a thousand light
 * agents. `--only PART,PART`: core, warm, store, units, memory, load.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { figure, figures, program, pssBytes, startBroker, textFolder, type Broker } from './parts/broker.ts'
import { createRows } from './parts/rows.ts'

const { values } = parseArgs({ options: { only: { type: 'string' }, seconds: { type: 'string', default: '60' } } })
const wanted = values.only?.split(',')
const rows = createRows('native')
const MB = 1e6

const part = async (name: string, run: () => Promise<void>): Promise<void> => {
  if (wanted === undefined || wanted.includes(name)) await run()
}
const withBroker = async (run: (broker: Broker) => Promise<void>): Promise<void> => {
  const broker = await startBroker()
  try {
    await run(broker)
  } finally {
    await broker.stop()
  }
}

const units = async (broker: Broker): Promise<void> => {
  const lookup = await figures('bench-units', ['lookup', textFolder], broker.env)
  rows.below('look-up of known content by digest', figure(lookup, 'lookup-digest') / 1000, 1, 'us')
  rows.below('look-up by handle: map and unmap', figure(lookup, 'lookup-handle') / 1000, 1, 'us')
  rows.shown('  peer: memcpy of 4 KiB', figure(lookup, 'memcpy-4k') / 1000, 'us')
  const handIn = await figures('bench-units', ['handin', textFolder], broker.env)
  rows.below('hand in 50 MB known, beside one digest pass', figure(handIn, 'handin-ratio'), 1.2, 'x')
  rows.atMost('  more resident by it', figure(handIn, 'handin-resident'), 0, 'B')
  rows.shown('  hand-in', figure(handIn, 'handin-known'), 'ms')
  rows.shown('  one digest pass', figure(handIn, 'digest-pass'), 'ms')
  rows.shown('  peer: malloc and memcpy', figure(handIn, 'malloc-memcpy'), 'ms')
  const map = await figures('bench-units', ['map', textFolder], broker.env)
  rows.below('open and map 50 MB in a new process, to the first byte', figure(map, 'map-first-byte'), 1, 'ms')
  rows.shown('  peer: read of the file', figure(map, 'read-file'), 'ms')
  const spawned = await figures('bench-units', ['spawn', textFolder], broker.env)
  rows.below('spawn an agent on 150 MB shared: memory set-up', figure(spawned, 'spawn-set-up'), 1, 'ms')
  rows.shown('  of it registering the agent', figure(spawned, 'spawn-open'), 'ms')
  rows.shown('  peer: private copies', figure(spawned, 'spawn-copies'), 'ms')
}

/** The same units in redis-server: what it takes beyond their bytes; null where it is not installed. */
const redisOwnBytes = async (plainBytes: number): Promise<number | null> => {
  const folder = mkdtempSync('/var/tmp/agentmem-bench-')
  const socket = join(folder, 'redis.sock')
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder], { stdio: 'ignore' })
  const ended = once(server, 'exit').catch(() => null)
  try {
    await sleep(1000)
    if (server.pid === undefined || server.exitCode !== null) return null
    const load = spawnSync('sh', ['-c', '"$0" held "$1" | redis-cli -s "$2" --pipe', program('bench-units', 'native-bench'), textFolder, socket], { encoding: 'utf8', maxBuffer: 2 ** 24 })
    if (load.status !== 0) throw new Error(`redis-cli: ${load.stdout}${load.stderr}`)
    await sleep(2000)
    return pssBytes(server.pid) - plainBytes
  } finally {
    server.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
}

const memory = async (broker: Broker): Promise<void> => {
  const seen = await figures('bench-units', ['memory', textFolder, String(broker.pid)], broker.env)
  const heldMB = figure(seen, 'memory-held')
  const empty = figure(seen, 'memory-empty')
  rows.shown('10,000 units, plain', figure(seen, 'memory-plain'), 'MB')
  rows.shown('  as stored', heldMB, 'MB')
  rows.below("broker's own memory with them", empty + figure(seen, 'memory-own'), 2 + heldMB / 100, 'MB')
  rows.shown('  of it the empty broker', empty, 'MB')
  const redis = await redisOwnBytes(figure(seen, 'memory-plain') * MB)
  if (redis !== null) rows.shown('  peer: redis-server beyond their bytes', redis / MB, 'MB')
}

const load = async (broker: Broker): Promise<void> => {
  const seen = await figures('bench-load', [textFolder, '1000', '10000', values.seconds, '8'], broker.env)
  rows.shown(`1,000 light agents, 10,000 units, ${values.seconds} s: operations`, figure(seen, 'load-operations'), '')
  rows.atMost('  lost units', figure(seen, 'load-lost'), 0, '')
  rows.atMost('  wrong reads', figure(seen, 'load-wrong'), 0, '')
  rows.below('  look-up, 99 of 100', figure(seen, 'load-lookup-p99'), 50, 'us')
  rows.shown('  read of 256 bytes, median', figure(seen, 'load-read-p50'), 'us')
  rows.shown('  read of 256 bytes, 99 of 100', figure(seen, 'load-read-p99'), 'us')
}

const core = async (): Promise<void> => {
  const seen = await figures('bench-core', [])
  rows.shown('cutting where content says', figure(seen, 'core-chunk'), 'GB/s')
  rows.shown('sketches', figure(seen, 'core-sketch'), 'GB/s')
  rows.shown('  peer: reading', figure(seen, 'core-read-peer'), 'GB/s')
  rows.below('table: look-up by digest', figure(seen, 'core-table-digest') / 1000, 1, 'us')
  rows.shown('  an entry', figure(seen, 'core-table-bytes-an-entry'), 'B')
}

const warm = async (): Promise<void> => {
  const pack = await figures('bench-warm', ['pack', textFolder])
  rows.atLeast('conversations packed whole', figure(pack, 'normal_ratio'), 4.5, 'to-1')
  rows.atLeast('  speed, one core', figure(pack, 'normal_pack'), 250, 'MB/s')
  rows.shown('  with digest, cutting and sketch', figure(pack, 'normal_all_steps'), 'MB/s')
  rows.shown('  peer: zstd -3 of the whole', figure(pack, 'peer_zstd3_whole_ratio'), 'to-1')
  rows.shown('    speed, one core', figure(pack, 'peer_zstd3_whole_pack'), 'MB/s')
  rows.shown('  peer: zstd -3 by page', figure(pack, 'peer_zstd3_page_ratio'), 'to-1')
  rows.shown('    speed, one core', figure(pack, 'peer_zstd3_page_pack'), 'MB/s')
  const forks = await figures('bench-warm', ['forks', textFolder])
  rows.atLeast('forks of one conversation', figure(forks, 'forks_ratio'), 12, 'to-1')
  rows.atLeast('  edited inside', figure(forks, 'forks_inside_ratio'), 12, 'to-1')
  rows.atLeast('  session ids rewritten', figure(forks, 'forks_session_ratio'), 10, 'to-1')
  rows.atLeast('  all ids rewritten', figure(forks, 'forks_all_ids_ratio'), 10, 'to-1')
  const unpack = await figures('bench-warm', ['unpack', textFolder])
  rows.below('warm unit of 1 MB back to plain', figure(unpack, 'unpack_1MB'), 1.5, 'ms')
  rows.shown('  peer: zstd -d of the same', figure(unpack, 'peer_zstd_d_1MB'), 'ms')
}

const store = async (): Promise<void> => {
  const folder = mkdtempSync('/var/tmp/agentmem-bench-')
  try {
    const seen = await figures('bench-store', [folder])
    rows.below('cold 64 KiB back, beside a raw O_DIRECT read', figure(seen, 'ratio-64k'), 1.3, 'x')
    rows.shown('  back', figure(seen, 'store-get-64k'), 'us')
    rows.shown('  peer: raw read', figure(seen, 'raw-read-64k'), 'us')
    rows.shown('cold 16 MB back, beside a raw O_DIRECT read', figure(seen, 'ratio-16m'), 'x')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await part('core', core)
await part('warm', warm)
await part('store', store)
await part('units', () => withBroker(units))
await part('memory', () => withBroker(memory))
await part('load', () => withBroker(load))
rows.print()
