import { createHash } from 'node:crypto'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { presetSchema, type Preset } from '../../../helper/contract/presets.ts'
import type { Finding, Solution } from '../../contract/diagnosis.ts'
import type { PlanWish } from '../runs/planner.ts'

/** Long enough for reclaim and compaction to show, short enough to wait for. */
const SETTLE_MS = 20_000
/** What shows in rates is watched for so long before and after: bursts some seconds apart are then in both. */
const WATCH_MS = 40_000
/** Longer than a preset's: what a setting does is seen by working with it. */
const CONFIRM_MS = 180_000

/** "swap.none" and "add-zram" to "try-swap-none-add-zram"; cut, with a digest, where that is too long for an id. */
export const tryPresetId = (rule: string, solution: string): string => {
  const plain = `try-${rule}-${solution}`.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-')
  return plain.length <= 48 ? plain : `${plain.slice(0, 39)}-${createHash('sha256').update(plain).digest('hex').slice(0, 8)}`
}

/** Settings that act by what happens less often from then on; compacting once and giving back huge pages show at once. */
const showsInRates = ({ tunables }: Preset['settings']): boolean =>
  tunables !== undefined && Object.keys(tunables).some((name) => name !== 'compactNow' && name !== 'hugePages')

const presetOf = (finding: Finding, solution: Solution, settings: Preset['settings']): Preset =>
  presetSchema.parse({
    version: 1,
    id: tryPresetId(finding.rule, solution.id),
    title: solution.title.slice(0, 60),
    description: `${solution.what} ${solution.tradeOff}`.slice(0, 400),
    settings,
    ...(showsInRates(settings) ? { settleMs: WATCH_MS, watchMs: WATCH_MS } : { settleMs: SETTLE_MS }),
    confirmMs: CONFIRM_MS,
  })

const INSTEAD: Record<Exclude<Solution['act']['how'], 'try-run' | 'preset'>, string> = {
  page: 'Open the page it names and do it there.',
  command: 'Copy the command and run it in a terminal.',
  advice: 'It is advice: do it by hand.',
}

/** What the planner is asked to plan for this solution. */
export const wishOf = (finding: Finding, solutionId: string): Result<PlanWish> => {
  const solution = finding.solutions.find(({ id }) => id === solutionId)
  if (solution === undefined) {
    return fail('bad-request', `"${finding.title}" has no solution "${solutionId}".`, { about: finding.rule, expected: finding.solutions.map(({ id }) => id).join(', '), got: solutionId })
  }
  const from = { rule: finding.rule, subject: finding.subject, solution: solution.id }
  const { act } = solution
  if (act.how === 'preset') return ok({ presetId: act.presetId, agentIds: act.agentIds, from })
  if (act.how !== 'try-run') return fail('not-supported', `"${solution.title}" is not something to try as a run.`, { about: finding.rule, advice: INSTEAD[act.how] })
  const preset = presetOf(finding, solution, act.settings)
  return ok({ presetId: preset.id, agentIds: null, preset, from })
}
