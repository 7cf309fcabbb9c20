import { addon, type Handle, told } from './addon.ts'
import { closedErrno, errorOf } from './errors.ts'

/** What an AgentMemory and all its units have in common. */
export class Owner {
  /** Every map() gives a copy. */
  readonly copiesMaps: boolean
  readonly #handle: Handle
  readonly #lists = new Set<Promise<unknown>>()
  #closing: Promise<void> | null = null

  constructor(handle: Handle, copiesMaps: boolean) {
    this.#handle = handle
    this.copiesMaps = copiesMaps
  }

  get isClosed(): boolean {
    return this.#closing !== null
  }

  /** For one call that begins now. */
  handle(call: string): Handle {
    if (this.isClosed) throw errorOf(call, closedErrno, 'it was closed')
    return this.#handle
  }

  /** Asks for lines behind the last one until there are none; begun before close(), it comes to its end. */
  async list<Line>(call: string, ask: (handle: Handle, last: Line | undefined) => Promise<Line[]>): Promise<Line[]> {
    const handle = this.handle(call)
    const askAll = async () => {
      const all: Line[] = []
      for (;;) {
        const lines = await told(call, ask(handle, all.at(-1)))
        if (lines.length === 0) return all
        all.push(...lines)
      }
    }
    const listing = askAll()
    this.#lists.add(listing)
    try {
      return await listing
    } finally {
      this.#lists.delete(listing)
    }
  }

  close(): Promise<void> {
    const close = async () => {
      await Promise.allSettled(this.#lists)
      await told('close', addon().close(this.#handle))
    }
    return (this.#closing ??= close())
  }

  /** For a unit that is no more this object's to free. */
  keep(id: bigint): void {
    if (!this.isClosed) addon().keep(this.#handle, id)
  }

  /** For a unit that was collected: nobody waits for it, nobody is told. */
  freeLater(id: bigint): void {
    if (!this.isClosed) addon().freeLater(this.#handle, id)
  }
}
