import type { RunDetail } from '../../../electron/contract/views.ts'
import type { Cause } from '../../../helper/contract/cause.ts'
import { nothingToUndo } from '../../../helper/contract/plan.ts'
import type { RunState } from '../../../helper/contract/runs.ts'
import { failureWords } from '../../format/failure.ts'
import { plural } from '../../format/format.ts'
import { resultWords } from './result-words.ts'

export const stateWords: Record<RunState, string> = {
  started: 'Starting',
  applying: 'Applying',
  settling: 'Settling',
  waiting: 'Waiting for you',
  kept: 'Kept',
  undoing: 'Undoing',
  undone: 'Undone',
  'partly-undone': 'Partly undone',
  failed: 'Failed',
}

const why: Partial<Record<Cause, string>> = {
  'confirm-timeout': 'Nobody pressed Keep in time, so it was undone.',
  'user-cancel': 'You cancelled it.',
  'caller-gone': 'The window that started it went away, so it was undone.',
  'startup-recovery': 'It had been left unfinished and was taken back when the helper started again.',
  restart: 'It was kept until the computer was restarted.',
  watchdog: 'The machine ran short of memory, so it was undone.',
  'step-failed': 'A step failed, so the earlier ones were taken back.',
}

/** A single action is over once it is measured: nothing of it stays that could be kept or undone. */
export const isOnce = (detail: RunDetail | null): boolean => detail !== null && nothingToUndo(detail.record.plan)

const back = (detail: RunDetail): string => {
  const restored = detail.record.undo.filter((line) => line.outcome === 'restored' || line.outcome === 'already-so').length
  return restored === 0 ? 'There was nothing to put back.' : `${plural(restored, 'setting')} back at the old value.`
}

/** How a run ended, in a title and a sentence. */
export const endWords = (state: RunState, detail: RunDetail | null): { tone: 'gain' | 'info' | 'problem'; title: string; text: string } => {
  const cause = detail?.record.undoCause ?? null
  const because = cause === null ? '' : (why[cause] ?? '')
  switch (state) {
    case 'kept': {
      const result = resultWords(detail)
      if (isOnce(detail)) return { tone: result.tone, title: `Done. ${result.title}`, text: result.text }
      return { tone: result.tone, title: `Kept. ${result.title}`, text: 'It stays until you undo it or restart the machine.' }
    }
    case 'undone':
      return { tone: 'info', title: cause === 'user-cancel' ? 'Cancelled' : 'Undone', text: detail === null ? because : `${because} ${back(detail)}`.trim() }
    case 'partly-undone': {
      const left = detail?.record.undo.filter((line) => line.outcome !== 'restored' && line.outcome !== 'already-so').length ?? 0
      return { tone: 'problem', title: 'Partly undone', text: `${because} ${plural(left, 'setting')} could not be put back; Details says which and why.`.trim() }
    }
    case 'failed': {
      const failure = detail?.record.error ?? null
      const words = failure === null ? null : failureWords(failure)
      if (failure !== null && words === null) return { tone: 'info', title: 'Not applied', text: 'Nothing was changed.' }
      return { tone: words?.tone === 'info' ? 'info' : 'problem', title: words?.title ?? 'The run failed', text: words?.text ?? (because === '' ? 'What had been done was taken back.' : because) }
    }
    case 'started':
    case 'applying':
    case 'settling':
    case 'waiting':
    case 'undoing':
      return { tone: 'info', title: stateWords[state], text: '' }
  }
}
