import { getHeapStatistics } from 'node:v8'

/** Garbage below this is not worth a collection: a full one takes some 10 ms. */
const WORTH_BYTES = 2 * 1024 * 1024

/**
 * Gives memory back after a burst. V8 collects when it needs room, which a
 * program that does little for hours never does: what starting left behind
 * would stay. Needs `--expose-gc` (see agentmem-session.service); without it
 * nothing is done.
 */
export const createTidy = (collect: ((options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void) | undefined, heapBytes = () => getHeapStatistics().used_heap_size): (() => void) => {
  let keptBytes = 0
  return () => {
    if (collect === undefined || heapBytes() - keptBytes < WORTH_BYTES) return
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    keptBytes = heapBytes()
  }
}
