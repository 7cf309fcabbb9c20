import { CircleSlash, Flag, MessageSquareText, Play, Save, Undo2, X, type LucideIcon } from 'lucide-react'
import type { JournalEntry } from '../../../electron/contract/diagnosis.ts'
import { bytes } from '../../format/format.ts'

const outcomes: Readonly<Record<NonNullable<JournalEntry['outcome']>, { word: string; icon: LucideIcon }>> = {
  kept: { word: 'Kept', icon: Save },
  undone: { word: 'Undone', icon: Undo2 },
  failed: { word: 'Failed', icon: X },
  'no-gain': { word: 'Nothing won', icon: CircleSlash },
}

const kinds: Readonly<Record<JournalEntry['kind'], { word: string; icon: LucideIcon }>> = {
  finding: { word: 'Found', icon: Flag },
  action: { word: 'Tried', icon: Play },
  outcome: { word: 'Came of it', icon: Save },
  note: { word: 'Note', icon: MessageSquareText },
}

export const kindOf = ({ kind, outcome }: JournalEntry): { word: string; icon: LucideIcon } => (outcome === null ? kinds[kind] : outcomes[outcome])

/** The run an entry is about, which History has a page of; null for what is known by another name, as agents that were suspended together. */
export const runOf = ({ runId }: Pick<JournalEntry, 'runId'>): string | null => (runId !== null && /^\d{8}T\d{6}Z-/u.test(runId) ? runId : null)

/** "1.2 GB won"; empty where nobody measured, or where a figure would be read as a gain. */
export const gainWords = ({ gainBytes, outcome }: JournalEntry): string => {
  if (gainBytes.value === null || outcome === 'failed' || outcome === 'no-gain') return ''
  return gainBytes.value >= 0 ? `${bytes(gainBytes.value)} won` : `${bytes(-gainBytes.value)} lost`
}

/** Entries by day, in the order they come; `null` where the best match is first, which knows no days. */
export const byDay = (entries: readonly JournalEntry[], dayOf: (atMs: number) => string): { day: string; entries: readonly JournalEntry[] }[] => {
  const days: { day: string; entries: JournalEntry[] }[] = []
  for (const entry of entries) {
    const day = dayOf(entry.atMs)
    const last = days.at(-1)
    if (last?.day === day) last.entries.push(entry)
    else days.push({ day, entries: [entry] })
  }
  return days
}
