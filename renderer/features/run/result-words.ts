import type { RunDetail } from '../../../electron/contract/views.ts'
import { signedBytes, withNoise } from '../../format/format.ts'

export interface ResultWords {
  tone: 'gain' | 'info' | 'problem'
  title: string
  text: string
}

const control = (controlled: 'all' | 'some' | 'none'): string =>
  controlled === 'all'
    ? 'Compared with agents of the same kinds that were left alone.'
    : controlled === 'some'
      ? 'Compared with agents left alone, where there was one of the kind.'
      : 'There was no agent to compare with: agents also shrink by themselves.'

/** What a run gained, as one sentence that claims no more than was measured. */
export const resultWords = (detail: RunDetail | null): ResultWords => {
  const total = detail?.delta?.total
  if (total === undefined) return { tone: 'info', title: 'Done; the gain was not measured', text: '' }
  switch (total.verdict) {
    case 'gain':
      return { tone: 'gain', title: `Won ${withNoise(total.gainBytes, total.noiseBytes)}`, text: control(total.controlled) }
    case 'loss':
      return { tone: 'problem', title: `Agents use ${withNoise(-total.gainBytes, total.noiseBytes)} more than before`, text: `Undo is advised. ${control(total.controlled)}` }
    case 'within-noise':
      return { tone: 'info', title: 'No gain beyond the noise of the measurement', text: `Measured ${signedBytes(-total.gainBytes)}, which could be chance. ${control(total.controlled)}` }
    case 'nothing-to-compare':
      return { tone: 'info', title: 'Done; there was no agent to compare', text: 'The settings are in place. No agent was there both before and after.' }
  }
}
