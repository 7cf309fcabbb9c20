import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Figure, Finding, Severity, Solution, Topic } from '../../contract/diagnosis.ts'

/** Looks of one boot, oldest first; at least one. */
export type Looks = readonly [Evidence, ...Evidence[]]

/** A solution as a rule gives it: what was seen of it before is added from the journal. */
export type Offer = Omit<Solution, 'before'>

/** What a rule found about one subject. */
export interface Found {
  /** Empty where there is but one: the machine. */
  readonly subject: string
  /** Other subjects that it is about as well, as other rules name them: of an agent its processes. */
  readonly about?: readonly string[]
  readonly severity: Severity
  /** Where the rule's own title does not say enough. */
  readonly title?: string
  readonly explanation: string
  /** The first is what fired. */
  readonly figures: readonly [Figure, ...Figure[]]
  readonly solutions: readonly [Offer, Offer, ...Offer[]]
}

/**
 * One rule: data, and a pure function over looks. `find` is called only when
 * everything in `needs` is there; it answers with nothing where all is well.
 */
export interface Rule<T extends Readonly<Record<string, number>> = Readonly<Record<string, number>>> {
  readonly id: string
  readonly topic: Topic
  readonly title: string
  /** What must be known: each answers null when it is, else what is missing, in words. */
  readonly needs: readonly ((looks: Looks) => string | null)[]
  /** Named limits with their unit in the name, so that tests can stand just beside them. */
  readonly thresholds: T
  /** Why these limits: the source, for the docs. */
  readonly because: string
  readonly find: (looks: Looks, thresholds: T) => readonly Found[]
  /**
   * Rules that tell of the same by weaker evidence: about one subject only one
   * of the two speaks, the more severe, and this one where they are even.
   */
  readonly covers?: readonly string[]
  /** Ids of lines to look deeper with. */
  readonly lookDeeper: readonly string[]
}

/** What the engine makes of rules and looks; see engine.ts. */
export interface Judgement {
  readonly findings: readonly Finding[]
  readonly silent: readonly string[]
  readonly couldNotLook: readonly { readonly rule: string; readonly needs: string }[]
}
