import type { Leak } from '../../../electron/contract/diagnosis.ts'

type Verdict = Leak['verdict']

export const verdicts: Readonly<Record<Verdict, { word: string; tone: string; meaning: string }>> = {
  leak: { word: 'Leak', tone: 'tag-problem', meaning: 'It grows without end: also what stays after each clean-up.' },
  suspected: { word: 'Suspected', tone: 'tag-idle', meaning: 'It grows, but not yet beyond doubt.' },
  'levels-off': { word: 'Levels off', tone: '', meaning: 'Its growth slows down: a cache that fills.' },
  'warm-up': { word: 'Warm-up', tone: '', meaning: 'It grew at its start and has been level since.' },
  'saw-tooth': { word: 'Saw-tooth', tone: '', meaning: 'It rises and falls back: garbage that is collected.' },
  steady: { word: 'Steady', tone: '', meaning: 'It does not grow.' },
  'too-short': { word: 'Too short', tone: '', meaning: 'It has not been watched for long enough.' },
}

export const isProblem = ({ verdict }: Pick<Leak, 'verdict'>): boolean => verdict === 'leak' || verdict === 'suspected'

export const leakKey = ({ subject }: Leak): string => (subject.of === 'agent' ? `agent ${subject.agentId} ${subject.title}` : `process ${subject.pid} ${subject.startTicks}`)
