import type { BusyReason } from '../../contract/lifecycle.ts'
import type { Sample } from './sample.ts'

/** One reason why an agent may not be suspended now. */
export interface Finding {
  readonly reason: BusyReason
  readonly text: string
  /** False where it only forbids suspending now, without being work: the time it has been idle goes on. */
  readonly work: boolean
}

/** One kind of evidence, followed from sample to sample of one agent. */
export type Evidence = (sample: Sample) => readonly Finding[]

export const works = (reason: BusyReason, text: string): Finding => ({ reason, text, work: true })
export const forbids = (reason: BusyReason, text: string): Finding => ({ reason, text, work: false })
