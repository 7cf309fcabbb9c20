import { forbids, works, type Evidence, type Finding } from './finding.ts'
import type { SampleConnection } from './sample.ts'

/**
 * Less than this, sent in answer to something received, is the protocol's own:
 * acknowledgements, pings and window updates of HTTP/2 and TLS. A request for
 * a model is larger.
 */
const PROTOCOL_BYTES = 512
/** What follows something received so soon answers it. */
const ANSWER_MS = 20
/** Heartbeats of a connection that is kept open stay below this in WINDOW_MS; a stream of tokens does not. */
const TRICKLE_BYTES = 200
const WINDOW_MS = 60_000

interface Flow { readonly atMs: number; readonly sentBytes: number; readonly receivedBytes: number }
interface Memory { flows: Flow[]; unanswered: boolean }

const describe = (connection: SampleConnection): string => (connection.loopback ? 'a server on this machine' : 'a server')

/**
 * Whether something was sent that was not answered yet. Times tell the order;
 * where both directions moved since the last look and the last word was the
 * agent's, its size tells a request from the protocol's own.
 */
const isUnanswered = (before: Flow | undefined, wasUnanswered: boolean, info: NonNullable<SampleConnection['info']>): boolean => {
  const sent = info.sentBytes - (before?.sentBytes ?? 0)
  const received = info.receivedBytes - (before?.receivedBytes ?? 0)
  if (sent === 0 && received === 0) return wasUnanswered
  if (info.lastSentMs > info.lastReceivedMs || (sent === 0 && received > 0)) return false
  if (sent > 0 && info.receivedBytes === 0) return true
  if (sent >= PROTOCOL_BYTES) return true
  // Little was sent, last: a small request, unless it came at once after what was received.
  return received > 0 && info.lastReceivedMs - info.lastSentMs <= ANSWER_MS ? false : wasUnanswered || sent >= TRICKLE_BYTES
}

const judge = (connection: SampleConnection, memories: Map<number, Memory>, atMs: number): readonly Finding[] => {
  if (connection.within) return []
  if (connection.inbound) return connection.state === 'established' ? [forbids('lock', 'another program is connected to it')] : []
  if (connection.state === 'connecting') return [works('network', `connects to ${describe(connection)}`)]
  if (connection.state === 'closing') return []
  if (connection.sendQueueBytes > 0 || connection.retransmits > 0) return [works('network', `is sending to ${describe(connection)}`)]
  const { info } = connection
  if (info === null) return [works('network', `is connected to ${describe(connection)}, and whether it waits for it cannot be seen: ss (iproute2) is missing, or the network is another one`)]
  const memory = memories.get(connection.inode) ?? { flows: [], unanswered: false }
  memories.set(connection.inode, memory)
  memory.unanswered = isUnanswered(memory.flows.at(-1), memory.unanswered, info)
  memory.flows.push({ atMs, sentBytes: info.sentBytes, receivedBytes: info.receivedBytes })
  // One flow older than the window stays as what it is compared with.
  while ((memory.flows[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) memory.flows.shift()
  if (memory.unanswered) return [works('network', `waits for an answer of ${describe(connection)}, asked ${Math.round(info.lastSentMs / 1000)} s ago`)]
  const first = memory.flows[0]
  const flowed = info.receivedBytes - (first?.receivedBytes ?? 0)
  // Bytes alone age out of the window only after a minute: the last one's own time is nearer.
  return flowed >= TRICKLE_BYTES && info.lastReceivedMs < FRESH_MS ? [works('network', `receives from ${describe(connection)}`)] : []
}

/** So long after the last byte a stream counts as flowing. */
const FRESH_MS = 10_000

/** Connections to others: something asked and not answered, or bytes that flow. */
export const createNetworkEvidence = (): Evidence => {
  const memories = new Map<number, Memory>()
  return ({ connections, datagrams, monotonicMs }) => {
    if (connections === null) return []
    const inodes = new Set(connections.map(({ inode }) => inode))
    for (const inode of memories.keys()) if (!inodes.has(inode)) memories.delete(inode)
    const findings = connections.flatMap((connection) => judge(connection, memories, monotonicMs))
    return (datagrams ?? 0) > 0 ? [...findings, works('network', 'holds a connection over UDP, and whether it waits for it cannot be seen')] : findings
  }
}
