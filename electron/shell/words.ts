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
  const { agentsCount, agentsCostBytes, availableBytes } = live.totals
  return `${agentsCount} ${agentsCount === 1 ? 'agent uses' : 'agents use'} ${amount(agentsCostBytes)}, ${amount(availableBytes)} available`
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
