import { bytes, plural, took } from '../../format/format.ts'
import { isWorking, wonOf, type Act } from '../../stores/act.ts'
import { lineOf } from './words.ts'

const pastWords = { suspend: 'suspended', resume: 'resumed' } as const
const nowWords = { suspend: 'Suspending', resume: 'Resuming' } as const

/** "19 agents suspended, 5.1 GB won": what an act did, or is doing, as a title and a sentence. */
export const actWords = (act: Act, name: (id: string) => string): { tone: 'busy' | 'gain' | 'info' | 'problem'; title: string; text: string } => {
  const made = act.kind === 'suspend' ? act.suspended.length : act.resumed.length
  const won = wonOf(act)
  if (isWorking(act)) {
    const next = act.ids[act.done]
    return {
      tone: 'busy',
      title: act.state === 'stopping' ? 'Stopping after this one' : `${nowWords[act.kind]} ${act.ids.length === 1 ? name(act.ids[0] ?? '') : plural(act.ids.length, 'agent')}`,
      text: act.ids.length === 1 ? (act.kind === 'suspend' ? 'Freezing it, then moving its memory out.' : 'Bringing its memory back first.') : `${act.done} done${act.kind === 'suspend' && won > 0 ? `, ${bytes(won)} won so far` : ''}. Now ${next === undefined ? 'the last one' : name(next)}.`,
    }
  }
  const leftCount = act.left.length
  const rest = act.ids.length - made - leftCount
  const parts = [
    leftCount > 0 ? `${plural(leftCount, 'agent')} ${act.kind === 'suspend' ? (leftCount === 1 ? 'was left running' : 'were left running') : leftCount === 1 ? 'is still suspended' : 'are still suspended'}.` : '',
    act.stopped && rest > 0 ? `Stopped with ${plural(rest, 'agent')} to go.` : '',
  ]
  if (made === 0)
    return {
      tone: act.failure !== null || leftCount > 0 ? 'problem' : 'info',
      title: act.kind === 'suspend' ? 'No agent was suspended' : leftCount > 0 ? 'No agent was resumed' : 'It runs already',
      text: [...parts, leftCount === 1 ? lineOf(act.left[0]?.error ?? { code: 'internal', message: '' }) : ''].filter((part) => part !== '').join(' '),
    }
  const subject = made === 1 ? name((act.kind === 'suspend' ? act.suspended[0]?.agentId : act.resumed[0]?.agentId) ?? '') : plural(made, 'agent')
  if (act.kind === 'resume') {
    const back = act.resumed.reduce((sum, entry) => sum + entry.prefaultedBytes, 0)
    const longest = act.resumed.reduce((most, entry) => Math.max(most, entry.tookMs), 0)
    return { tone: leftCount > 0 ? 'problem' : 'gain', title: `${subject} resumed`, text: [`${bytes(back)} brought back first; ${made === 1 ? 'it' : 'the slowest'} ran again after ${took(longest)}.`, ...parts].filter((part) => part !== '').join(' ') }
  }
  return {
    tone: won > 0 && leftCount === 0 && act.failure === null ? 'gain' : 'info',
    title: `${subject} ${pastWords[act.kind]}, ${won > 0 ? `${bytes(won)} won` : 'nothing won'}`,
    text: [made === 1 ? 'The first key typed into it wakes it.' : 'The first key typed into one of them wakes it.', ...parts].filter((part) => part !== '').join(' '),
  }
}
