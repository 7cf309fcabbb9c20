import { forbids, works, type Evidence, type Finding } from './finding.ts'
import type { SampleConnection, TcpInfo } from './sample.ts'

/**
 * Less than this, sent in answer to something received, is the protocol's own:
 * acknowledgements, pings and window updates of HTTP/2 and TLS. A request for
 * a model is larger.
 */
const PROTOCOL_BYTES = 512
/** What follows something received so soon answers it. */
const ANSWER_MS = 20
/** An answer that comes within this time is no waiting: checks for updates and reports of use go on at the prompt too. */
const WAITING_MS = 3_000
/** Heartbeats of a connection that is kept open stay below this in WINDOW_MS; a stream of tokens does not. */
const TRICKLE_BYTES = 200
/** A look in which more was sent was one of asking and answering, not of a stream. */
const STREAM_SENDS_BYTES = 100
/** Looks in which a stream moved. One alone is the end of an answer. */
const STREAM_LOOKS = 2
const WINDOW_MS = 60_000
/** So long after the last byte a stream counts as flowing. */
const FRESH_MS = 10_000

/**
 * Over a real network, what comes back this soon after a large request is no
 * answer of a model: it is the end of the TLS handshake, or HTTP/2 keeping its
 * books. It counts as one all the same after a while, since a report of use
 * may be large and answered at once too.
 */
const TOO_SOON_MS = 400
const LARGE_REQUEST_BYTES = 8 * 1024
const PERHAPS_MS = 180_000

interface Flow { readonly atMs: number; readonly sentBytes: number; readonly receivedBytes: number }
type Answer = 'none-asked' | 'perhaps' | 'missing'
interface Memory { flows: Flow[]; waits: Answer }

const describe = (connection: SampleConnection): string => (connection.loopback ? 'a server on this machine' : 'a server')

/**
 * Whether something was sent that was not answered yet. Times tell the order;
 * where both directions moved since the last look and the last word was the
 * agent's, its size tells a request from the protocol's own.
 */
const waitsFor = (before: Flow | undefined, was: Answer, info: TcpInfo, loopback: boolean): Answer => {
  const sent = info.sentBytes - (before?.sentBytes ?? 0)
  const received = info.receivedBytes - (before?.receivedBytes ?? 0)
  if (sent === 0 && received === 0) return was === 'perhaps' && info.lastSentMs > PERHAPS_MS ? 'none-asked' : was
  if (sent === 0) return 'none-asked'
  if (info.lastSentMs > info.lastReceivedMs) {
    return !loopback && sent >= LARGE_REQUEST_BYTES && info.lastSentMs - info.lastReceivedMs < TOO_SOON_MS ? 'perhaps' : 'none-asked'
  }
  if (info.receivedBytes === 0 || sent >= PROTOCOL_BYTES) return 'missing'
  // Little was sent, last: a small request, unless it came at once after what was received.
  if (received > 0 && info.lastReceivedMs - info.lastSentMs <= ANSWER_MS) return 'none-asked'
  return sent >= TRICKLE_BYTES ? 'missing' : was
}

const judge = (connection: SampleConnection, memories: Map<number, Memory>, atMs: number): readonly Finding[] => {
  if (connection.within) return []
  if (connection.inbound) return connection.state === 'established' ? [forbids('lock', 'another program is connected to it')] : []
  if (connection.state === 'connecting') return [works('network', `connects to ${describe(connection)}`)]
  if (connection.state === 'closing') return []
  if (connection.sendQueueBytes > 0 || connection.retransmits > 0) return [works('network', `is sending to ${describe(connection)}`)]
  const { info } = connection
  if (info === null) return [works('network', `is connected to ${describe(connection)}, and whether it waits for it cannot be seen: ss (iproute2) is missing, or the network is another one`)]
  const memory: Memory = memories.get(connection.inode) ?? { flows: [], waits: 'none-asked' }
  memories.set(connection.inode, memory)
  memory.waits = waitsFor(memory.flows.at(-1), memory.waits, info, connection.loopback)
  memory.flows.push({ atMs, sentBytes: info.sentBytes, receivedBytes: info.receivedBytes })
  // One flow older than the window stays as what it is compared with.
  while ((memory.flows[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) memory.flows.shift()
  if (memory.waits !== 'none-asked') {
    const text = `waits for an answer of ${describe(connection)}, asked ${Math.round(info.lastSentMs / 1000)} s ago`
    return [info.lastSentMs < WAITING_MS ? forbids('network', text) : works('network', text)]
  }
  const moves = memory.flows.flatMap((flow, at) => {
    const before = memory.flows[at - 1]
    const received = before === undefined ? 0 : flow.receivedBytes - before.receivedBytes
    return before === undefined || received === 0 || flow.sentBytes - before.sentBytes >= STREAM_SENDS_BYTES ? [] : [received]
  })
  const streams = moves.length >= STREAM_LOOKS && moves.reduce((sum, bytes) => sum + bytes, 0) >= TRICKLE_BYTES
  // Bytes age out of the window only after a minute: the last one's own time is nearer.
  return streams && info.lastReceivedMs < FRESH_MS ? [works('network', `receives from ${describe(connection)}`)] : []
}

/** Connections to others: something asked and not answered, or bytes that flow. */
export const createNetworkEvidence = (): Evidence => {
  const memories = new Map<number, Memory>()
  return ({ connections, datagrams, unixInbound = 0, monotonicMs }) => {
    if (connections === null) return [forbids('network', 'what it is connected to cannot be seen')]
    const inodes = new Set(connections.map(({ inode }) => inode))
    for (const inode of memories.keys()) if (!inodes.has(inode)) memories.delete(inode)
    const findings = connections.flatMap((connection) => judge(connection, memories, monotonicMs))
    return [
      ...findings,
      ...((datagrams ?? 0) > 0 ? [works('network', 'holds a connection over UDP, and whether it waits for it cannot be seen')] : []),
      ...(unixInbound === null ? [forbids('lock', 'somebody is connected to it, and who cannot be seen: ss (iproute2) is missing, or the network is another one')] : []),
      ...((unixInbound ?? 0) > 0 ? [forbids('lock', 'another program is connected to it')] : []),
    ]
  }
}
