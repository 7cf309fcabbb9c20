/** Numbers of units and agents have 64 bits and are bigints; bytes and milliseconds are numbers, exact up to 2^53. */

/** In the order of agentmem.h, which counts from 0. */
export const backends = ['auto', 'module', 'broker', 'private'] as const
/** In the order of agentmem.h, which counts from 1, as for the following. */
export const kinds = ['conversation', 'system-prompt', 'tool-definition', 'tool-result', 'other'] as const
export const states = ['active', 'idle', 'suspended', 'gone'] as const
export const tiers = ['hot', 'warm', 'cold'] as const

/** Where units are: the kernel's module, the user's broker, this process alone. */
export type Backend = Exclude<(typeof backends)[number], 'auto'>
/** Only conversations are appended to, forked and edited. */
export type UnitKind = (typeof kinds)[number]
export type AgentState = (typeof states)[number]
/** Plain in memory, compressed in memory, on disk. */
export type UnitTier = (typeof tiers)[number]

export type UnitStat = {
  unit: bigint
  /** Plain. */
  bytes: number
  /** Its share of what is stored: each shared block is counted by its part. */
  storedBytes: number
  /** SHA-256 of the plain bytes in hex; empty while it is not known, as for a conversation that was just appended to. */
  digest: string
  kind: UnitKind
  /** The farthest of its parts. */
  tier: UnitTier
  /** Agents of this domain that hold the same, this one included. */
  sharers: number
  importance: number
  /** Since it was last read, mapped or appended to. */
  idleMs: number
  /** Plain bytes by tier; they add up to `bytes`. */
  hotBytes: number
  warmBytes: number
  coldBytes: number
}

/** Of one agent; `user` figures are of all agents of this user. */
export type AgentStat = {
  /** Number that others name it by in share(). */
  agent: bigint
  backend: Backend
  state: AgentState
  units: number
  /** Plain bytes it holds; of these, what others hold too. */
  bytes: number
  sharedBytes: number
  quotaBytes: number
  userAgents: number
  userUnits: number
  userBytes: number
  /** Resident, each content once; compressed in memory and on disk, as stored. */
  userHotBytes: number
  userWarmBytes: number
  userColdBytes: number
  /** Tables of the broker itself. */
  userOwnBytes: number
}

export type AgentLine = {
  agent: bigint
  /** Of its first process. */
  pid: number
  state: AgentState
  importance: number
  processes: number
  units: number
  bytes: number
  sharedBytes: number
  hotBytes: number
  warmBytes: number
  coldBytes: number
  idleMs: number
  name: string
  /** Empty: the user's common one. */
  domain: string
}

export type UnitLine = {
  unit: bigint
  agent: bigint
  bytes: number
  storedBytes: number
  idleMs: number
  kind: UnitKind
  tier: UnitTier
  sharers: number
  importance: number
  /** First 8 bytes of its digest, in hex. */
  digest: string
}

/** Ages and limits of the user's broker. */
export type Settings = {
  warmAfterMs: number
  coldAfterMs: number
  thoroughAfterMs: number
  hotMostBytes: number
  warmMostBytes: number
  coldMostBytes: number
  quotaBytes: number
}

/** A name of a list by its number, counted from 1. */
export const named = <Name extends string>(list: readonly Name[], number: number, otherwise: Name): Name => list[number - 1] ?? otherwise
