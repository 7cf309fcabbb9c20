import { z } from 'zod'
import { agentIdSchema, processRefSchema, processRoleSchema } from '../../contract/agents.ts'

/** What is behind a standard file: a server on pipes differs from a program at a terminal. */
export const stdioKindSchema = z.enum(['terminal', 'pipe', 'socket', 'null', 'file', 'other', 'none'])
export type StdioKind = z.infer<typeof stdioKindSchema>

const count = z.int().min(0)
/** Missing where the kernel does not let this user see it. */
const countOrNull = count.nullable()

/** One process of the tree, as the kernel counts: all counters since its start. */
export const sampleProcessSchema = z.object({
  ...processRefSchema.shape,
  parentPid: count,
  role: processRoleSchema,
  label: z.string(),
  comm: z.string(),
  kernelState: z.string(),
  cpuTicks: count,
  /** Of children that ended and were waited for. */
  endedChildrenTicks: count,
  majorFaults: count,
  /** rchar, wchar, syscr and syscw of /proc/PID/io: files, pipes and terminals; sockets only where read and write are used on them. */
  readChars: countOrNull,
  writtenChars: countOrNull,
  reads: countOrNull,
  writes: countOrNull,
  /** Of the first thread alone. */
  voluntarySwitches: countOrNull,
  /** Who traces it; 0 for nobody. */
  tracerPid: countOrNull,
  /** Standard input, output and error; null where the files may not be seen. */
  stdio: z.tuple([stdioKindSchema, stdioKindSchema, stdioKindSchema]).nullable(),
  /** A shell that was given a command or a script, not one that waits at its prompt. */
  command: z.boolean(),
  /** Has /dev/fuse open: it serves a file system. */
  fuse: z.boolean(),
})
export type SampleProcess = z.infer<typeof sampleProcessSchema>

/** From the kernel's tcp_info, which only `ss` shows: times in ms before the sample, amounts since the connection was made. */
export const tcpInfoSchema = z.object({
  lastSentMs: count,
  lastReceivedMs: count,
  sentBytes: count,
  receivedBytes: count,
})
export type TcpInfo = z.infer<typeof tcpInfoSchema>

/** A TCP connection of the tree. Addresses are left out: they say whom somebody talks to. */
export const sampleConnectionSchema = z.object({
  pid: count,
  inode: count,
  state: z.enum(['established', 'connecting', 'closing']),
  loopback: z.boolean(),
  /** Both ends are in this tree. */
  within: z.boolean(),
  /** Somebody outside of the tree connected to a port that the tree listens on. */
  inbound: z.boolean(),
  remotePort: count,
  sendQueueBytes: count,
  receiveQueueBytes: count,
  /** Sent again and again without an acknowledgement. */
  retransmits: count,
  info: tcpInfoSchema.nullable(),
})
export type SampleConnection = z.infer<typeof sampleConnectionSchema>

export const sampleTerminalSchema = z.object({
  device: z.string(),
  /** Last read of input and last write of output, Unix time. The kernel moves either once in 8 s at most. */
  inputAtMs: z.number(),
  outputAtMs: z.number(),
  /** Was ever seen to hand over keys as they are typed, as a prompt wants them; a single task leaves it in line mode. Null where it cannot be told; left out in early recordings. */
  raw: z.boolean().nullable().optional(),
})

/** A lock of /proc/locks held by the tree. */
export const sampleLockSchema = z.object({
  pid: count,
  /** Device and inode of the file: "08:01:1234". */
  file: z.string(),
  exclusive: z.boolean(),
  /** Somebody sleeps until it is let go; those who try again and again do not show. */
  waitedFor: z.boolean(),
})

/**
 * Raw evidence about one agent at one moment: nothing is judged here, so that
 * recorded samples can be judged again by a later rule.
 */
export const sampleSchema = z.object({
  version: z.literal(1),
  atMs: z.number(), // Unix time
  monotonicMs: z.number(),
  id: agentIdSchema,
  kind: z.string(),
  ageMs: count,
  /** Other agents run inside this tree. */
  holdsAgents: z.boolean(),
  processes: z.array(sampleProcessSchema).min(1),
  /** The terminal that controls the top process; null where it has none. */
  terminal: sampleTerminalSchema.nullable(),
  /** Null where the files of the top process may not be seen. */
  connections: z.array(sampleConnectionSchema).nullable(),
  /** Ports that the tree listens on. */
  listening: z.array(count),
  /** Connections that others made to Unix sockets of the tree. Null where there are some and whose they are cannot be seen; left out in early recordings. */
  unixInbound: countOrNull.optional(),
  /** Connected UDP sockets but DNS: QUIC. */
  datagrams: countOrNull,
  locks: z.array(sampleLockSchema).nullable(),
})
export type Sample = z.infer<typeof sampleSchema>
