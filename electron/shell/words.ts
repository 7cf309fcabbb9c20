import type { GuardWord } from '../../helper/contract/lifecycle.ts'
import { amount } from '../app/amounts.ts'
import type { Live, RunDetail } from '../contract/views.ts'

/** Shape of the tray icon: colour alone would be lost on many panels and many eyes. */
export type TrayShape = 'calm' | 'waiting' | 'problem'

export const trayShape = (live: Live | null): TrayShape => {
  if (live === null || live.helper.session === 'unreachable') return 'problem'
  if (live.progress !== null) return 'waiting'
  const pressure = live.machine.memoryPressure.value
  return pressure !== null && pressure.some.avg10Percent >= 10 ? 'problem' : 'calm'
}

export const trayText = (live: Live | null): string => {
  if (live === null) return 'Agent Memory Center'
  const { agentsCount, agentsCostBytes, availableBytes, suspendedCount, suspendedWonBytes } = live.totals
  const won = suspendedWonBytes.value !== null && suspendedWonBytes.value > 0 ? `, which won ${amount(suspendedWonBytes.value)}` : ''
  const suspended = suspendedCount === 0 ? '' : ` (${suspendedCount} suspended${won})`
  return `${agentsCount} ${agentsCount === 1 ? 'agent uses' : 'agents use'} ${amount(agentsCostBytes)}${suspended}, ${amount(availableBytes)} available`
}

/** What the guard saw or undid is worth a look; that a key woke an agent is what was wanted. */
const WORD_TITLES: Record<GuardWord['what'], string | null> = {
  'oom-kill': 'The kernel ended a program: memory ran out',
  'service-ended': 'A service of this machine ended',
  pressure: 'Memory is short',
  'low-memory': 'Memory is nearly used up',
  stuck: 'An agent is stuck',
  'helper-gone': 'The helper ended unexpectedly',
  'owner-gone': 'Agents were woken',
  undone: 'A change was taken back',
  problem: 'Something could not be taken back',
  woke: null,
  thawed: null,
}

/** One notification for all that is new; null where nothing is worth one. */
export const wordsText = (words: readonly GuardWord[]): { title: string; body: string } | null => {
  const worth = words.filter(({ what }) => WORD_TITLES[what] !== null)
  const [first, ...more] = worth
  if (first === undefined) return null
  const title = WORD_TITLES[first.what] ?? ''
  if (more.length === 0) return { title, body: first.text }
  return { title: `${title}, and ${more.length} more`, body: worth.slice(-3).map((word) => word.text).join('\n') }
}

/** What a finished measurement says, with its noise; null where there is nothing to ask. */
export const notificationText = ({ record, delta }: RunDetail): { title: string; body: string } | null => {
  if (record.state !== 'waiting') return null
  const total = delta?.total
  const gain =
    total === undefined || total.verdict === 'nothing-to-compare'
      ? 'It was applied; no agent was there on both sides to measure by.'
      : total.verdict === 'within-noise'
        ? 'The change is within the noise of the measurement.'
        : `${total.verdict === 'gain' ? 'Won' : 'Lost'} ${amount(Math.abs(total.gainBytes))}${total.noiseBytes.value === null ? '' : `, give or take ${amount(total.noiseBytes.value)}`}.`
  return { title: `${record.presetTitle}: keep it?`, body: `${gain} Without an answer it is undone.` }
}
