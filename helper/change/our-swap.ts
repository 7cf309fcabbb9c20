import { readSwaps } from '../observe/swaps.ts'
import { readZram } from '../observe/zram.ts'
import { listJournals, readJournal } from './journal.ts'
import type { Engine } from './open-run.ts'

/**
 * Swap in use now that a kept run of this boot added, by its journal. A zram
 * device whose size is not the one we gave it was set up by somebody else.
 */
export const ourSwap = (engine: Pick<Engine, 'root' | 'journalDir' | 'bootId'>): string[] => {
  const active = new Set(readSwaps(engine.root).map((swap) => swap.path))
  const found = new Set<string>()
  for (const runId of listJournals(engine.journalDir, 'kept')) {
    const journal = readJournal(engine.journalDir, runId, 'kept')
    if (!journal.ok || journal.value.header.bootId !== engine.bootId()) continue
    for (const record of journal.value.records) {
      if (record.verb !== 'swapoff' || !active.has(record.target)) continue
      const setUp = journal.value.records.find((other) => other.verb === 'zram-reset' && other.target === record.target)
      const device = readZram(engine.root).find((zram) => `/dev/${zram.name}` === record.target)
      if (setUp === undefined || String(device?.diskSizeBytes) === setUp.new) found.add(record.target)
    }
  }
  return [...found].toSorted()
}
