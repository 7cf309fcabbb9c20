import type { Plan, Step } from '../contract/plan.ts'

/** A step before it has its number. */
export type StepDraft = Omit<Step, 'number'>

export type Skip = Plan['skipped'][number]

/** What one layer or action adds to a plan. */
export interface Draft {
  steps: StepDraft[]
  skipped: Skip[]
  notes: string[]
}

export const emptyDraft = (): Draft => ({ steps: [], skipped: [], notes: [] })
