import { addon, type Handle, told } from './addon.ts'
import { bigNumber, bytesOf, wholeNumber } from './checks.ts'
import { errorOf } from './errors.ts'
import { kinds, named, tiers, type UnitStat } from './lines.ts'
import { MappedUnit } from './mapped.ts'
import type { Owner } from './owner.ts'

/** Holds of units that were collected. Their owner is kept until then: a unit's number means nothing without it. */
const collected = new FinalizationRegistry<{ owner: Owner; id: bigint }>(({ owner, id }) => owner.freeLater(id))

const noEntry = -2
/** What read() takes without being told how much: all there can be. */
const unitBytesMost = 2 ** 32

/**
 * A unit as this program holds it. One that alloc() or fork() gave is freed
 * when it is garbage collected, or its AgentMemory is closed, unless keep() was
 * called; one that find() or attach() gave is not.
 */
export class Unit {
  /** The same in every process of the agent. */
  readonly id: bigint
  readonly #owner: Owner
  #isOwned: boolean
  #isFreed = false

  /** Made by AgentMemory. */
  constructor(owner: Owner, id: bigint, isOwned: boolean) {
    this.#owner = owner
    this.id = id
    this.#isOwned = isOwned
    if (isOwned) collected.register(this, { owner, id }, this)
  }

  #handle(call: string): Handle {
    if (this.#isFreed) throw errorOf(call, noEntry, 'this unit was freed')
    return this.#owner.handle(call)
  }

  /** Conversations only. What is given may not change until the promise is settled, here and below. */
  async append(data: Uint8Array | string): Promise<void> {
    await told('append', addon().append(this.#handle('append'), this.id, bytesOf('data', data)))
  }

  /** A new conversation that shares the first `prefixBytes`; all of them when left out or when there are fewer. */
  async fork(prefixBytes?: number): Promise<Unit> {
    const prefix = prefixBytes === undefined ? undefined : wholeNumber('prefixBytes', prefixBytes)
    return new Unit(this.#owner, await told('fork', addon().fork(this.#handle('fork'), this.id, prefix)), true)
  }

  /** Replaces `oldBytes` at `offset`. Conversations only. */
  async edit(offset: number, oldBytes: number, data: Uint8Array | string): Promise<void> {
    const bytes = bytesOf('data', data)
    await told('edit', addon().edit(this.#handle('edit'), this.id, wholeNumber('offset', offset), wholeNumber('oldBytes', oldBytes), bytes))
  }

  /** Lets another agent of the same domain hold it too; its `agent` is what it is named by, its `attach(id)` how it gets at it. */
  async share(agent: bigint): Promise<void> {
    await told('share', addon().share(this.#handle('share'), this.id, bigNumber('agent', agent)))
  }

  /** Brings it back, and keeps it hot for the next while. */
  async markHot(): Promise<void> {
    await told('markHot', addon().markHot(this.#handle('markHot'), this.id))
  }

  /** All its bytes without copying them, where that can be. */
  async map(options: { copy?: boolean } = {}): Promise<MappedUnit> {
    const wantsCopy = this.#owner.copiesMaps || options.copy === true
    const { buffer, isCopy } = await told('map', addon().map(this.#handle('map'), this.id, wantsCopy))
    return new MappedUnit(buffer, isCopy)
  }

  /** Some of its bytes; fewer at its end, none behind it. */
  async read(offset = 0, bytes = unitBytesMost): Promise<Uint8Array<ArrayBuffer>> {
    const most = Math.min(wholeNumber('bytes', bytes), unitBytesMost)
    return told('read', addon().read(this.#handle('read'), this.id, wholeNumber('offset', offset), most))
  }

  async stat(): Promise<UnitStat> {
    const stat = await told('stat', addon().statUnit(this.#handle('stat'), this.id))
    return { ...stat, kind: named(kinds, stat.kind, 'other'), tier: named(tiers, stat.tier, 'cold') }
  }

  /** This agent holds it once less; what is mapped stays. */
  async free(): Promise<void> {
    const handle = this.#handle('free')
    this.#isFreed = true
    collected.unregister(this)
    try {
      await told('free', addon().free(handle, this.id, this.#isOwned))
    } catch (error) {
      this.#isFreed = false
      if (this.#isOwned) collected.register(this, { owner: this.#owner, id: this.id }, this)
      throw error
    }
  }

  /** It is no more freed when it is collected or its AgentMemory is closed: another process of this agent will free it, or it ends with the agent. */
  keep(): this {
    if (this.#isOwned && !this.#isFreed) {
      this.#isOwned = false
      collected.unregister(this)
      this.#owner.keep(this.id)
    }
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isFreed && !this.#owner.isClosed) await this.free()
  }
}
