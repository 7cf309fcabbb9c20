import type { Failure } from '../../helper/contract/errors.ts'

/** What the window offers next to a failure. */
export type Offer = 'none' | 'retry' | 'show-run' | 'new-plan' | 'install' | 'layers'

export interface FailureWords {
  title: string
  text: string
  offer: Offer
  /** Quiet: not a fault, shown as information. */
  tone: 'problem' | 'info'
  /** What a program printed, to read or to report. */
  output?: string | undefined
}

const join = (...parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined && part !== '').join(' ')

const ofHistory = (failure: Failure): boolean => failure.about?.endsWith('.db') === true

/** Every failure in words for a person. Null means: say nothing, all stayed as it was. */
export const failureWords = (failure: Failure): FailureWords | null => {
  const said = join(failure.message, failure.advice)
  switch (failure.code) {
    case 'authorization-dismissed':
      return null
    case 'authorization-obtainable':
      return { title: 'Your password is needed', text: said, offer: 'retry', tone: 'info' }
    case 'authorization-denied':
      return {
        title: 'Not allowed on this machine',
        text: join(failure.message, failure.about === undefined || failure.advice?.includes(failure.about) === true ? undefined : `The action refused is ${failure.about}.`, failure.advice ?? 'An administrator of this machine can allow it.'),
        offer: 'none',
        tone: 'problem',
      }
    case 'bad-request':
      return { title: 'That cannot be used as it is', text: said, offer: 'none', tone: 'problem' }
    case 'plan-changed':
      return { title: 'The machine changed since this plan was made', text: join(failure.message, 'Nothing was done. Look at it again as it is now.'), offer: 'new-plan', tone: 'info' }
    case 'busy':
      if (ofHistory(failure)) return { title: 'The history is in use', text: said, offer: 'retry', tone: 'info' }
      if (failure.runId === undefined) return { title: 'Something else is under way', text: said, offer: 'retry', tone: 'info' }
      return { title: 'Another run is under way', text: join(failure.message, failure.advice, 'One run at a time: keep or undo that one first.'), offer: 'show-run', tone: 'info' }
    case 'not-supported':
      return { title: 'This machine cannot do that', text: said, offer: 'layers', tone: 'info' }
    case 'does-not-fit':
      return {
        title: 'It does not fit into memory yet',
        text: join(failure.message, failure.expected === undefined ? undefined : `Needed: ${failure.expected}.`, failure.got === undefined ? undefined : `Available: ${failure.got}.`, failure.advice ?? 'Close something large and try again.'),
        offer: 'retry',
        tone: 'problem',
      }
    case 'write-refused':
      if (ofHistory(failure)) return { title: 'The history cannot be written', text: said, offer: 'retry', tone: 'problem' }
      return { title: 'The kernel refused a change', text: join(failure.message, failure.about === undefined || failure.advice?.includes(failure.about) === true ? undefined : `File: ${failure.about}.`, failure.advice, 'What had been changed before was put back.'), offer: 'none', tone: 'problem' }
    case 'read-back-differs':
      return {
        title: 'The kernel kept another value',
        text: join(failure.message, failure.expected === undefined || failure.got === undefined ? undefined : `Written: ${failure.expected}. Kept: ${failure.got}.`, failure.advice, 'What had been changed before was put back.'),
        offer: 'none',
        tone: 'problem',
      }
    case 'process-gone':
      return { title: 'The agent has ended', text: said, offer: 'new-plan', tone: 'info' }
    case 'not-yours':
      return { title: 'This belongs to another user', text: said, offer: 'none', tone: 'problem' }
    case 'no-such-run':
      return { title: 'This run is not open any more', text: said, offer: 'none', tone: 'info' }
    case 'journal-unusable':
      return { title: 'Nothing was changed', text: join('The journal that makes undoing possible cannot be written.', said), offer: 'none', tone: 'problem' }
    case 'disk-full':
      return { title: 'The disk is full', text: said, offer: 'retry', tone: 'problem' }
    case 'cancelled':
      return { title: 'Cancelled', text: join(failure.message, 'What had been done was taken back.'), offer: 'none', tone: 'info' }
    case 'helper-missing':
      return { title: 'The helper is not installed', text: join(failure.message, failure.advice ?? 'Looking works without it; changing settings needs it.'), offer: 'install', tone: 'info' }
    case 'helper-gone':
      return { title: 'The helper stopped in the middle', text: join(failure.message, failure.advice ?? 'When it starts again it puts back what was changed. The history shows the result.'), offer: 'retry', tone: 'problem' }
    case 'too-old':
      if (ofHistory(failure)) return { title: 'The history is of a newer version of this app', text: said, offer: 'none', tone: 'problem' }
      return { title: 'App and helper are of different versions', text: join(failure.message, failure.advice ?? 'Install the helper again to bring both to the same version.'), offer: 'install', tone: 'problem' }
    case 'internal':
      return { title: 'Something went wrong', text: said, offer: 'retry', tone: 'problem', output: failure.got }
  }
}
