import { CircleCheck, CircleAlert, TriangleAlert } from 'lucide-react'
import type { Live } from '../../../electron/contract/views.ts'
import type { Agent, AgentState } from '../../../helper/contract/agents.ts'
import { bytes, gigabytes, missingWords, percent, plural, pressureWord } from '../../format/format.ts'
import { useFleet } from '../../stores/lifecycle.ts'
import { isMeasured } from '../../stores/live.ts'
import { BigBytes, Gap } from '../../ui/figure.tsx'
import { Term } from '../../ui/tip.tsx'
import { Why } from '../../ui/why.tsx'
import { BudgetBar } from './budget-bar.tsx'

const Pressure = ({ live }: { live: Live }) => {
  const { memoryPressure } = live.machine
  if (memoryPressure.value === null) return <p className="pressure muted">Pressure <Gap reason={missingWords(memoryPressure.reason, memoryPressure.detail)} /></p>
  const { some } = memoryPressure.value
  const word = pressureWord(some.avg10Percent)
  const Icon = word === 'calm' ? CircleCheck : word === 'noticeable' ? CircleAlert : TriangleAlert
  return (
    <p className={`pressure pressure-${word}`}>
      <Icon aria-hidden="true" />
      <Why
        what="Memory pressure"
        how={`Programs waited for memory during ${percent(Math.round(some.avg10Percent * 10) / 10)} of the last ten seconds, ${percent(Math.round(some.avg60Percent * 10) / 10)} of the last minute. Below 1 % is calm.`}
        sources={['/proc/pressure/memory, line "some"']}
        atMs={live.atMs}
      >
        Pressure {word}
      </Why>
    </p>
  )
}

const costIn = (agents: readonly Agent[], state: AgentState): number => agents.reduce((sum, agent) => (agent.state === state ? sum + agent.cost.costBytes : sum), 0)

/** All memory as one bar: what agents use by their state, the rest, what is available. */
const MemoryBar = ({ live, measured }: { live: Live; measured: boolean }) => {
  const { totalBytes, availableBytes } = live.machine.memory
  const agents = useFleet()
  const active = costIn(agents, 'active')
  const idle = costIn(agents, 'idle')
  const suspended = costIn(agents, 'suspended')
  const other = Math.max(0, totalBytes - availableBytes - active - idle - suspended)
  const parts = [
    ...(measured ? [{ id: 'active', label: 'Active agents', value: active }, { id: 'idle', label: 'Idle agents', value: idle }] : []),
    ...(suspended > 0 ? [{ id: 'suspended', label: 'Suspended agents', value: suspended }] : []),
    { id: 'other', label: measured ? 'Everything else' : 'In use', value: other },
    { id: 'free', label: 'Available', value: availableBytes },
  ]
  return (
    <figure className="memory">
      <div className="memory-bar" role="img" aria-label={parts.map((part) => `${part.label} ${bytes(part.value)}`).join(', ')}>
        {parts.filter((part) => part.value > 0).map((part) => (
          <span key={part.id} className={`memory-part memory-${part.id}`} style={{ flexGrow: part.value / totalBytes }} />
        ))}
      </div>
      <figcaption className="memory-legend">
        {parts.map((part) => (
          <span key={part.id} className="memory-key">
            <span className={`memory-dot memory-${part.id}`} aria-hidden="true" />
            {part.label} <span className="num">{bytes(part.value)}</span>
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

/** What agents use of this machine: the one number of the page. */
export const Hero = ({ live }: { live: Live }) => {
  const { totals, machine, counts } = live
  // Nobody measured yet: no figure, rather than a nought that grows.
  const measured = isMeasured(live)
  const unmeasured = live.agents.reduce((sum, agent) => sum + agent.cost.unmeasured, 0)
  return (
    <header className="hero">
      <div className="hero-line">
        <h1 className="hero-number">
          <span className="hero-word">Agents use</span>{' '}
          <Why
            what="What agents use"
            how={
              <>
                For each process of each agent: its share of memory (<Term means="Proportional set size: pages of its own, and its share of pages it has in common with others.">PSS</Term>) plus what its
                swapped pages take in the compressed pool. 1 GB is 1024 MB here.
              </>
            }
            sources={['/proc/PID/smaps_rollup', '/proc/meminfo (Zswap, Zswapped)', '/sys/block/zram*/mm_stat']}
            reader={live.helper.session === 'ready' ? 'the session helper, as you' : 'the app, as you'}
            atMs={live.agentsMeasuredAtMs}
          >
            {measured ? <BigBytes bytes={totals.agentsCostBytes} /> : <span className="big-value"><Gap reason="They are being measured for the first time." /></span>}
          </Why>{' '}
          <span className="hero-word">
            of <span className="num">{gigabytes(machine.memory.totalBytes)}&nbsp;GB</span>
          </span>
        </h1>
        <div className="hero-side">
          <Pressure live={live} />
          <p className="hero-free">
            <Why what="Available memory" how="What new programs could get without swapping, as the kernel estimates it." sources={['/proc/meminfo (MemAvailable)']} atMs={live.atMs}>
              <span className="num">{bytes(machine.memory.availableBytes)}</span> available
            </Why>
          </p>
        </div>
      </div>
      <MemoryBar live={live} measured={measured} />
      {measured && <BudgetBar live={live} />}
      {measured && unmeasured > 0 && (
        <p className="muted hero-note">
          {plural(unmeasured, 'process', 'processes')} of agents could not be read and {unmeasured === 1 ? 'is' : 'are'} missing from these sums.
          {counts.unreadable > unmeasured ? ` On the whole machine ${plural(counts.unreadable, 'process', 'processes')} belong to others.` : ''}
        </p>
      )}
    </header>
  )
}
