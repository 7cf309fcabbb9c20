import { CircleCheck, Info, LoaderCircle, TriangleAlert } from 'lucide-react'
import { useEffect } from 'react'
import { failureWords } from '../../format/failure.ts'
import { isWorking } from '../../stores/act.ts'
import { putAwayAct, resume, stopAct, useActs } from '../../stores/acts.ts'
import { openAsking, useFlow } from '../../stores/flow.ts'
import { Button } from '../../ui/button.tsx'
import { ProgressBar } from '../../ui/progress.tsx'
import { Strip } from '../../ui/strip.tsx'
import { useNames } from './act-result.tsx'
import { actWords } from './act-words.ts'

const icons = {
  busy: <LoaderCircle className="spin" aria-hidden="true" />,
  gain: <CircleCheck aria-hidden="true" />,
  info: <Info aria-hidden="true" />,
  problem: <TriangleAlert aria-hidden="true" />,
} as const

const READ_MS = 10_000

/** Suspending and resuming on every page: how far it is, what it did, the way back. */
export const ActStrip = () => {
  const { act, failure } = useActs()
  const inDialog = useFlow((state) => state.asking?.of === 'act')
  const name = useNames()
  const words = act === null ? null : actWords(act, name)
  // Good news of agents that run again needs no pressing away.
  const passing = act !== null && act.kind === 'resume' && words?.tone === 'gain'
  useEffect(() => {
    if (!passing) return
    const timer = setTimeout(putAwayAct, READ_MS)
    return () => clearTimeout(timer)
  }, [passing])
  if (inDialog) return null
  if (act === null || words === null) {
    const said = failure === null ? null : failureWords(failure)
    if (said === null) return null
    return <Strip label="Agents" tone="problem" icon={icons.problem} title={said.title} sub={said.text} actions={<Button size="s" kind="quiet" onClick={putAwayAct}>Close</Button>} />
  }
  if (isWorking(act))
    return (
      <Strip
        label="Agents"
        tone="busy"
        icon={icons.busy}
        title={words.title}
        sub={words.text}
        actions={
          act.ids.length > 1 && (
            <Button size="s" busy={act.state === 'stopping'} onClick={stopAct}>
              Stop
            </Button>
          )
        }
        bar={<ProgressBar fraction={act.ids.length === 1 ? null : act.done / act.ids.length} label="Progress" />}
      />
    )
  const refused = act.failure === null ? null : failureWords(act.failure)
  const made = act.suspended.map((entry) => entry.agentId)
  // The password dialog was closed before anything was done: nothing needs to be said.
  if (act.failure !== null && refused === null && made.length + act.resumed.length + act.left.length === 0) return null
  return (
    <Strip
      label="Agents"
      tone={refused === null ? words.tone : refused.tone}
      icon={icons[refused === null ? words.tone : refused.tone]}
      title={refused === null || made.length > 0 ? words.title : refused.title}
      sub={refused === null ? words.text : made.length > 0 ? `${refused.title}. ${refused.text}` : refused.text}
      actions={
        <>
          {made.length > 0 && (
            <Button size="s" onClick={() => resume(made)}>
              Resume
            </Button>
          )}
          {(act.left.length > 0 || made.length > 1) && (
            <Button size="s" kind="quiet" onClick={() => openAsking({ of: 'act' })}>
              Details
            </Button>
          )}
          <Button size="s" kind="quiet" onClick={putAwayAct}>
            Close
          </Button>
        </>
      }
    />
  )
}
