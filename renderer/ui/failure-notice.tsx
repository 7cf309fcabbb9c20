import type { ReactNode } from 'react'
import type { Failure } from '../../helper/contract/errors.ts'
import { failureWords, type Offer } from '../format/failure.ts'
import { go } from '../stores/route.ts'
import { closeAsking, closePreset } from '../stores/flow.ts'
import { Button } from './button.tsx'
import { Notice } from './notice.tsx'

interface Props {
  failure: Failure | null
  onRetry?: (() => void) | undefined
  /** Trying again makes a plan first. */
  isPlanned?: boolean
}

const leave = (page: 'settings' | 'layers'): void => {
  closePreset()
  closeAsking()
  go(page)
}

const offerButton = (offer: Offer, failure: Failure, onRetry: (() => void) | undefined, isPlanned: boolean): ReactNode => {
  switch (offer) {
    case 'retry':
      return onRetry === undefined ? undefined : <Button size="s" onClick={onRetry}>Try again</Button>
    case 'show-run':
      return failure.runId === undefined ? undefined : (
        <Button
          size="s"
          onClick={() => {
            closePreset()
            go('history', 'run', failure.runId ?? '')
          }}
        >
          Show that run
        </Button>
      )
    case 'new-plan':
      // Of a single agent that ended there is no plan to make again.
      return onRetry === undefined || (failure.code === 'process-gone' && !isPlanned) ? undefined : <Button size="s" onClick={onRetry}>Make the plan again</Button>
    case 'install':
      return <Button size="s" onClick={() => leave('settings')}>Install the helper</Button>
    case 'layers':
      return <Button size="s" onClick={() => leave('layers')}>What this machine has</Button>
    case 'none':
      return undefined
  }
}

/** A failure in words with the one thing to do next. Shows nothing for what needs no words. */
export const FailureNotice = ({ failure, onRetry, isPlanned = false }: Props) => {
  if (failure === null) return null
  const words = failureWords(failure)
  if (words === null) return null
  const actions = offerButton(words.offer, failure, onRetry, isPlanned)
  return (
    <Notice tone={words.tone} title={words.title} {...(actions === undefined ? {} : { actions })}>
      {words.text}
      {words.output !== undefined && (
        <pre className="command">
          <code>{words.output}</code>
        </pre>
      )}
    </Notice>
  )
}
