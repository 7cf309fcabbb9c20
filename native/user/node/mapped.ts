import { addon } from './addon.ts'

/** Copies that were unmapped, for as long as somebody may still hold the old buffer: a thread of zlib or fs may be reading it. */
const emptied = new WeakMap<ArrayBuffer, ArrayBuffer>()

/**
 * Bytes of a unit as they were when it was mapped. They are the same memory as
 * every other process has, and stay valid for as long as their ArrayBuffer
 * lives, whatever becomes of the unit. Writing to them changes nothing for
 * anybody else.
 */
export class MappedUnit {
  /** Empty once unmap() was called. */
  readonly data: Uint8Array<ArrayBuffer>
  /** A copy in this process's own memory: under Electron, for small units, and in the private backend. */
  readonly isCopy: boolean

  /** Made by Unit.map(). */
  constructor(buffer: ArrayBuffer, isCopy: boolean) {
    this.data = new Uint8Array(buffer)
    this.isCopy = isCopy
  }

  /** Gives the memory back without waiting for the garbage collector; every view of it is empty from now on. Doing it twice is no harm. */
  unmap(): void {
    const buffer = this.data.buffer
    if (buffer.byteLength === 0) return
    if (this.isCopy) emptied.set(buffer, structuredClone(buffer, { transfer: [buffer] }))
    else addon().detach(buffer)
  }

  [Symbol.dispose](): void {
    this.unmap()
  }
}
