import { addon, type Raw, type RawStat, told } from './addon.ts'
import { bigNumber, bytesOf, fixedBytes, numberOf, textOf, wholeNumber } from './checks.ts'
import { wrongType } from './errors.ts'
import { type AgentLine, type AgentStat, type AgentState, type Backend, backends, kinds, named, type Settings, states, tiers, type UnitKind, type UnitLine } from './lines.ts'
import { Owner } from './owner.ts'
import { Unit } from './unit.ts'

export { AgentMemoryError } from './errors.ts'
export type { AgentLine, AgentStat, AgentState, Backend, Settings, UnitKind, UnitLine, UnitStat, UnitTier } from './lines.ts'
export type { MappedUnit } from './mapped.ts'
export type { Unit } from './unit.ts'

export type OpenOptions = {
  /** The first that is there unless forced; ENODEV where the forced one is not. */
  backend?: Backend | 'auto'
  /** Of the agent, up to 63 bytes. */
  name?: string
  /** Trust domain, up to 63 bytes: content is shared inside one only. The user's common one when left out. */
  domain?: string
  /** 16 bytes, of another process's `token`: be one more process of that agent. */
  token?: Uint8Array
  /** 1 to 100, higher stays; 50 when left out. */
  importance?: number
  /** Plain bytes this agent may hold; the broker's own limit when left out. */
  quotaBytes?: number
  socketPath?: string
  /** Looks only, and is no agent: for control centers. */
  observer?: boolean
  /** Starts no broker where none runs. */
  noStart?: boolean
  /** Every map() gives a copy, as it always does under Electron. */
  copiesMaps?: boolean
}

const observerFlag = 1
const noStartFlag = 2
const nameBytesMost = 63
const socketPathBytesMost = 107
const importanceMost = 100
const tokenBytes = 16
const digestBytes = 32
const settingNames = ['warmAfterMs', 'coldAfterMs', 'thoroughAfterMs', 'hotMostBytes', 'warmMostBytes', 'coldMostBytes', 'quotaBytes'] as const

const digestOf = (digest: Uint8Array | string) => {
  if (typeof digest !== 'string') return fixedBytes('digest', digest, digestBytes)
  return fixedBytes('digest', /^(?:[\da-f]{2})*$/iu.test(digest) ? Uint8Array.from(Buffer.from(digest, 'hex')) : new Uint8Array(), digestBytes)
}

/** libagentmem, opened: units of one agent, shared with all that hold the same. */
export class AgentMemory {
  readonly backend: Backend
  /** Number that others name this agent by in share(); 0 for an observer. */
  readonly agent: bigint
  /** Lets another process be this agent too; keep it as a secret. Null for an observer. */
  readonly token: Uint8Array | null
  readonly #owner: Owner

  private constructor(owner: Owner, backend: number, stat: RawStat, isObserver: boolean) {
    this.#owner = owner
    this.backend = named(backends.slice(1) as Backend[], backend, 'private')
    this.agent = stat.agent
    this.token = isObserver ? null : stat.token
  }

  /** @throws AgentMemoryError with ENODEV, EACCES (token), EPROTO (broker of another version), or ERR_AGENTMEM_ADDON */
  static async open(options: OpenOptions = {}): Promise<AgentMemory> {
    if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options)
    const { backend = 'auto', token, importance, quotaBytes = 0, observer = false, noStart = false } = options
    const asked = {
      backend: numberOf('backend', backends, backend) - 1,
      flags: (observer ? observerFlag : 0) | (noStart ? noStartFlag : 0),
      importance: importance === undefined ? 0 : wholeNumber('importance', importance, 1, importanceMost),
      quotaBytes: wholeNumber('quotaBytes', quotaBytes),
      name: textOf('name', options.name, nameBytesMost),
      domain: textOf('domain', options.domain, nameBytesMost),
      socketPath: textOf('socketPath', options.socketPath, socketPathBytesMost),
      token: token === undefined ? undefined : fixedBytes('token', token, tokenBytes),
    }
    const handle = await told('open', addon().open(asked))
    try {
      const owner = new Owner(handle, options.copiesMaps === true || process.versions['electron'] !== undefined)
      return new AgentMemory(owner, addon().backend(handle), await told('open', addon().stat(handle)), observer)
    } catch (error) {
      await addon().close(handle)
      throw error
    }
  }

  /** A unit with this content, freed when it is collected; known content costs no memory. Empty may be a conversation only. */
  async alloc(kind: UnitKind, data: Uint8Array | string): Promise<Unit> {
    const id = await told('alloc', addon().alloc(this.#owner.handle('alloc'), numberOf('kind', kinds, kind), bytesOf('data', data)))
    return new Unit(this.#owner, id, true)
  }

  /**
   * The unit of this agent with that SHA-256; it stays whoever's it is.
   * @param digest 32 bytes, or 64 hex digits
   * @returns null where this agent holds none, whoever else does
   */
  async find(digest: Uint8Array | string): Promise<Unit | null> {
    try {
      return new Unit(this.#owner, await told('find', addon().find(this.#owner.handle('find'), digestOf(digest))), false)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT' && this.token !== null) return null
      throw error
    }
  }

  /** The unit of that number: shared with this agent, or of another of its processes. ENOENT. */
  async attach(id: bigint): Promise<Unit> {
    await told('attach', addon().statUnit(this.#owner.handle('attach'), bigNumber('id', id)))
    return new Unit(this.#owner, id, false)
  }

  /** Tells how the agent is: `suspended` sends its units away first, `active` brings its working set back. */
  async setState(state: Exclude<AgentState, 'gone'>): Promise<void> {
    await told('setState', addon().setState(this.#owner.handle('setState'), numberOf('state', states.slice(0, 3), state)))
  }

  /** 1 to 100, higher stays. */
  async setImportance(importance: number): Promise<void> {
    await told('setImportance', addon().setImportance(this.#owner.handle('setImportance'), wholeNumber('importance', importance, 1, importanceMost)))
  }

  async stat(): Promise<AgentStat> {
    const { token: _token, backend: _backend, ...stat } = await told('stat', addon().stat(this.#owner.handle('stat')))
    return { ...stat, backend: this.backend, state: named(states, stat.state, 'gone') }
  }

  /** All agents of this user. */
  async agents(): Promise<AgentLine[]> {
    const lines = await this.#owner.list('agents', (handle, last: Raw<AgentLine, 'state'> | undefined) => addon().agents(handle, last?.agent ?? 0n))
    return lines.map((line) => ({ ...line, state: named(states, line.state, 'gone') }))
  }

  /** Units of one agent of this user, of this one when left out. */
  async units(agent: bigint = this.agent): Promise<UnitLine[]> {
    const number = bigNumber('agent', agent)
    const lines = await this.#owner.list('units', (handle, last: Raw<UnitLine, 'kind' | 'tier'> | undefined) => addon().units(handle, number, last?.unit ?? 0n))
    return lines.map((line) => ({ ...line, kind: named(kinds, line.kind, 'other'), tier: named(tiers, line.tier, 'cold') }))
  }

  /** Ages and limits of the user's broker, after what is given was changed; each at least 1. */
  async settings(changes: Partial<Settings> = {}): Promise<Settings> {
    const known: Partial<Settings> = {}
    for (const name of settingNames) {
      const value = changes[name]
      if (value !== undefined) known[name] = wholeNumber(name, value, 1)
    }
    return told('settings', addon().settings(this.#owner.handle('settings'), known))
  }

  /** After all calls that were begun: frees the units that alloc() and fork() gave here and nobody freed or kept. What is mapped stays mapped. */
  async close(): Promise<void> {
    await this.#owner.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
