import { Bot } from 'lucide-react'
import type { Live } from '../../../electron/contract/views.ts'
import { isLookedFor, useLive } from '../../stores/live.ts'
import { useNow } from '../../stores/data.ts'
import { duration } from '../../format/format.ts'
import { Empty, Panel, Skeleton } from '../../ui/page.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Hero } from './hero.tsx'
import { GetBack, PresetsOnly } from './get-back.tsx'
import { LargestNow } from './largest-now.tsx'
import { LiveChart } from './live-chart.tsx'
import './overview.css'

const NoAgents = () => (
  <Panel>
    <Empty icon={<Bot />} title="No agents yet">
      Agents are found by themselves: Claude Code, Codex, Gemini CLI, opencode, aider and others appear here within seconds of being started in any terminal. To
      start one so that its equal pages can be merged with others, use
      <pre>
        <code>agentmemctl run -- claude</code>
      </pre>
    </Empty>
  </Panel>
)

/** Before the first look nothing is known of agents, least of all that there are none. */
const Looking = ({ live }: { live: Live }) =>
  live.helper.session === 'unreachable' ? (
    <Notice tone="problem" title="Agents cannot be looked for">
      {live.helper.advice}
    </Notice>
  ) : (
    <Skeleton height="13rem" />
  )

/** Figures that stopped coming are old, and say so. */
const Stale = ({ live }: { live: Live }) => {
  const now = useNow(5000)
  const age = now - live.atMs
  return age < 15_000 ? null : <p className="muted">These figures are {duration(age)} old.</p>
}

export const Overview = () => {
  const live = useLive((state) => state.live)
  const error = useLive((state) => state.error)
  if (live === null)
    return (
      <div className="page">
        <h1 className="sr-only">Overview</h1>
        {error === null ? (
          <>
            <Skeleton height="9rem" />
            <Skeleton height="12rem" />
            <Skeleton height="16rem" />
          </>
        ) : (
          <FailureNotice failure={error} />
        )}
      </div>
    )
  return (
    <div className="page overview">
      <Hero live={live} />
      <Stale live={live} />
      {!isLookedFor(live) ? (
        <Looking live={live} />
      ) : live.totals.agentsCount === 0 ? (
        <>
          <NoAgents />
          <PresetsOnly />
        </>
      ) : (
        <GetBack live={live} />
      )}
      <LiveChart />
      {live.totals.agentsCount > 0 && <LargestNow />}
    </div>
  )
}
