import { z } from 'zod'
import { numberReading, readingSchema } from './reading.ts'

/**
 * A process that cannot be mistaken for a later one with the same number:
 * `startTimeTicks` is field 22 of /proc/<pid>/stat, in clock ticks since boot.
 */
export const processRefSchema = z.strictObject({
  pid: z.int().min(1).max(4_194_304),
  startTimeTicks: z.int().min(0),
})
export type ProcessRef = z.infer<typeof processRefSchema>

/** `<boot id>:<pid>:<start time in ticks>` of the agent's top process. */
export const agentIdSchema = z.string().regex(/^[0-9a-f-]{36}:\d{1,7}:\d{1,20}$/u)
export type AgentId = z.infer<typeof agentIdSchema>

/** The only words for an agent's state. */
export const agentStateSchema = z.enum(['active', 'idle', 'suspended', 'gone'])
export type AgentState = z.infer<typeof agentStateSchema>

/** What a process is within its agent's tree. */
export const processRoleSchema = z.enum([
  'main', // the agent itself, its launcher and its own workers
  'mcp-server',
  'language-server',
  'shell', // a shell the agent opened
  'test-run',
  'build',
  'tool', // any other command the agent runs
])
export type ProcessRole = z.infer<typeof processRoleSchema>

/**
 * Memory of one process from smaps_rollup, in bytes. `swapPssBytes` is its
 * share of swapped pages, uncompressed. RSS is for the details view only.
 */
export const processMemorySchema = z.object({
  pssBytes: z.int().min(0),
  pssAnonBytes: numberReading, // Linux 5.3+
  pssFileBytes: numberReading,
  pssShmemBytes: numberReading,
  swapPssBytes: z.int().min(0),
  ussBytes: z.int().min(0), // Private_Clean + Private_Dirty
  rssBytes: z.int().min(0),
})
export type ProcessMemory = z.infer<typeof processMemorySchema>

export const agentProcessSchema = z.object({
  ...processRefSchema.shape,
  parentPid: z.int().min(0),
  role: processRoleSchema,
  /** Short name for a person: "gopls", "filesystem MCP server", "bash". */
  label: z.string(),
  /** As the kernel has it: 15 bytes at most, made printable. */
  comm: z.string(),
  /** Single letter of /proc/<pid>/stat: R, S, D, T, Z ... */
  kernelState: z.string(),
  cpuMs: z.int().min(0),
  memory: readingSchema(processMemorySchema),
  /** Only where asked for: command lines hold secrets. */
  commandLine: z.array(z.string()).optional(),
})
export type AgentProcess = z.infer<typeof agentProcessSchema>

/**
 * What an agent costs, in bytes:
 * cost = PSS + SwapPss x (share held in the compressed pool) x (pool / stored).
 * `compressedBytes` is that second term, `diskSwapBytes` the rest of SwapPss,
 * which costs no memory and is shown apart, as are file-backed pages.
 */
export const agentCostSchema = z.object({
  costBytes: z.int().min(0),
  pssBytes: z.int().min(0),
  anonBytes: numberReading,
  fileBytes: numberReading,
  swapPssBytes: z.int().min(0),
  compressedBytes: z.int().min(0),
  diskSwapBytes: z.int().min(0),
  ussBytes: z.int().min(0),
  rssBytes: z.int().min(0),
  /** Processes of the tree that could not be measured: the sums lack them. */
  unmeasured: z.int().min(0),
})
export type AgentCost = z.infer<typeof agentCostSchema>

export const agentSchema = z.object({
  id: agentIdSchema,
  ...processRefSchema.shape,
  /** Key of assets/agents.json or of the user's own signatures. */
  kind: z.string().min(1).max(64),
  /** "Claude Code", "Gemini CLI": the signature's title. */
  title: z.string(),
  /** Last part of the project folder, or the title where there is none. */
  name: z.string(),
  /** Working directory of the main process; private, left out of reports. */
  projectFolder: readingSchema(z.string()),
  uid: z.int().min(0),
  state: agentStateSchema,
  /** Since when the tree has used no noteworthy CPU time and runs no tool. */
  idleMs: numberReading,
  ageMs: z.int().min(0),
  /** The cgroup of the top process; `ownCgroup` says that the whole tree and nothing else is in it. */
  cgroup: readingSchema(z.string()),
  ownCgroup: z.boolean(),
  /** True when the kernel merges this tree's pages (VM_MERGEABLE for all, 6.4+). */
  mergeable: readingSchema(z.boolean()),
  processes: z.array(agentProcessSchema).min(1),
  cost: agentCostSchema,
})
export type Agent = z.infer<typeof agentSchema>

export const agentIdOf = (bootId: string, ref: ProcessRef): AgentId =>
  `${bootId}:${ref.pid}:${ref.startTimeTicks}`

/** An agent signature: assets/agents.json and the user's own agents.json. */
export const signatureSchema = z.strictObject({
  kind: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/u),
  title: z.string().min(1).max(64),
  /** CPU time, in percent of one core, up to which this agent counts as quiet at its prompt; 1.2 where left out. */
  idleCpuPercent: z.number().min(0).max(50).optional(),
  /**
   * Any of these makes a process a candidate; every one tests evidence that a
   * plain server with a similar name does not have. Paths are matched at whole
   * path segments, never as substrings.
   */
  match: z.array(
    z.strictObject({
      /** Base name of /proc/<pid>/exe (or argv[0] where exe cannot be read). */
      executable: z.array(z.string()).optional(),
      /** Whole path segments that exe must hold in a row: "@openai/codex-linux-x64". */
      executableIn: z.array(z.string()).optional(),
      /** Whole path segments that the script argument of an interpreter must hold: "@google/gemini-cli". */
      scriptIn: z.array(z.string()).optional(),
      /** Interpreters for which `scriptIn` or `module` counts: node, bun, python3. */
      interpreter: z.array(z.string()).optional(),
      /** Python: `-m NAME` or console script NAME. */
      module: z.array(z.string()).optional(),
      /** argv words that must be absent: sub-commands that are servers, not sessions ("mcp", "app-server"). */
      notArguments: z.array(z.string()).optional(),
    }),
  ).min(1),
})
export type Signature = z.infer<typeof signatureSchema>

export const signaturesFileSchema = z.strictObject({
  version: z.literal(1),
  agents: z.array(signatureSchema).max(200),
  /** Children told apart by name or script; first match wins. */
  children: z.array(
    z.strictObject({
      role: processRoleSchema,
      label: z.string().optional(),
      executable: z.array(z.string()).optional(),
      /**
       * Whole words, between "-", "_", "." or "@", of what the process is: its
       * program, script, package or first plain argument; never of a path it works on.
       */
      argument: z.array(z.string()).optional(),
    }),
  ).max(500),
})
export type SignaturesFile = z.infer<typeof signaturesFileSchema>
