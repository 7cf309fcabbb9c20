import { describe, expect, test } from 'vitest'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { findingSchema } from '../../contract/diagnosis.ts'
import type { RunDetail } from '../../contract/views.ts'
import { sampleDelta, sampleRun } from '../report/sample-run.ts'
import { causeTitle, didNotFall, DID_NOT_FALL_LIMITS as LIMIT } from './did-not-fall.ts'
import { disk, ksm, MB, swap } from './testing/edit.ts'
import { healthyLooks } from './testing/healthy.ts'

/** A measured run that won nothing, every step of which was done, as the tests then change it. */
const run = (change: (detail: { record: RunDetail['record']; delta: SnapshotDelta }) => void = () => {}): RunDetail => {
  const { before, after, ...record } = structuredClone(sampleRun('within-noise'))
  const delta = structuredClone(sampleDelta({ ...record, before, after }))
  for (const row of delta.machine) Object.assign(row, { beforeBytes: known(4000 * MB), afterBytes: known(4000 * MB), changeBytes: known(0), noiseBytes: known(10 * MB) })
  delta.total = { ...delta.total, gainBytes: 0, verdict: 'within-noise' }
  record.plan.skipped = []
  for (const step of record.steps) if (step.wonBytes !== null) step.wonBytes = 20 * MB
  const detail = { record, delta }
  change(detail)
  return detail
}
const row = (delta: SnapshotDelta, id: string, changeBytes: number): void => {
  for (const each of delta.machine) if (each.id === id) Object.assign(each, { changeBytes: known(changeBytes), afterBytes: known((each.beforeBytes.value ?? 0) + changeBytes) })
}
/** Keeps only steps of these kinds of operation. */
const onlySteps = (record: RunDetail['record'], ...ops: readonly string[]): void => {
  record.plan.steps = record.plan.steps.filter((step) => ops.includes(step.operation.op))
}
const won = (record: RunDetail['record'], bytes: number): void => {
  for (const step of record.steps) if (step.wonBytes !== null) step.wonBytes = bytes
}
const looks = (change: (looks: readonly Evidence[]) => void = () => {}, count = 1) => {
  const all = healthyLooks(count)
  for (const look of all) look.takenAtMs = sampleRun().startedAtMs + 300_000
  change(all)
  return all
}
const causes = (detail: RunDetail, at = looks()): string[] => {
  const findings = didNotFall(detail, at)
  for (const finding of findings) {
    // A report without private data has a title of its own for each.
    expect(causeTitle(finding.rule)).toEqual(expect.any(String))
    findingSchema.parse(finding)
    expect(finding.topic).toBe('did-not-fall')
    expect(`${finding.explanation} ${finding.title}`).not.toMatch(/undefined|null|NaN/u)
    expect(finding.solutions.length).toBeGreaterThanOrEqual(2)
  }
  return findings.map((finding) => finding.rule.replace('did-not-fall.', ''))
}

describe('the five causes that memory did not fall', () => {
  test('only limits: swap and settings, nothing that moves memory', () => {
    expect(causes(run(({ record }) => onlySteps(record, 'zram-init', 'swap-on')))).toEqual(['only-limits'])
    // The same with agents paged out is not it.
    expect(causes(run(({ record }) => onlySteps(record, 'zram-init', 'reclaim')))).toEqual([])
    // A step that failed has not acted.
    expect(causes(run(({ record }) => { onlySteps(record, 'zram-init', 'reclaim'); for (const step of record.steps) if (step.number === 5) step.outcome = 'failed' }))).toEqual(['only-limits'])
  })

  test('only limits: not of a setting that was to make programs wait less', () => {
    const watched = (verdict: NonNullable<SnapshotDelta['rates']>['verdict']): RunDetail => run(({ record, delta }) => { onlySteps(record, 'zram-init', 'swap-on'); delta.rates = { beforeMs: 40_000, afterMs: 40_000, rows: [], verdict } })
    expect(causes(watched('better'))).toEqual([])
    expect(causes(watched('no-difference'))).toEqual([])
    // Nobody waited, before or after: then it tells why nothing changed.
    expect(causes(watched(null))).toEqual(['only-limits'])
  })

  test('page cache: available rose, free did not', () => {
    const filled = (free: number): RunDetail => run(({ record, delta }) => { onlySteps(record, 'reclaim'); row(delta, 'available', 400 * MB); row(delta, 'free', free); row(delta, 'cache', 350 * MB) })
    expect(causes(filled(LIMIT.freeShare * 400 * MB - 1))).toEqual(['page-cache'])
    expect(causes(filled(LIMIT.freeShare * 400 * MB))).toEqual([])
  })

  test('page cache: what was dropped is back', () => {
    const pruned = (after: number): RunDetail => run(({ record, delta }) => {
      for (const step of record.plan.steps) if (step.operation.op === 'reclaim') step.operation = { op: 'prune-cache', level: 1 }
      onlySteps(record, 'prune-cache')
      row(delta, 'cache', after - 4000 * MB)
    })
    expect(causes(pruned(4000 * MB * LIMIT.cacheBackShare + MB))).toEqual(['page-cache'])
    expect(causes(pruned(4000 * MB * LIMIT.cacheBackShare - MB))).toEqual([])
  })

  test('no swap, or none left', () => {
    const paged = run(({ record }) => { onlySteps(record, 'reclaim'); won(record, 0) })
    expect(causes(paged, looks((all) => swap(all, [])))).toEqual(['no-swap'])
    expect(causes(paged, looks((all) => swap(all, [disk(100 * MB - 4 * MB, { sizeBytes: 100 * MB })])))).toEqual(['no-swap'])
    expect(causes(paged, looks((all) => swap(all, [disk(100 * MB - 6 * MB, { sizeBytes: 100 * MB })])))).toEqual([])
  })

  test('memory in use: it came back, or nobody was idle', () => {
    const back = (gain: number): RunDetail => run(({ record, delta }) => { onlySteps(record, 'reclaim'); won(record, 300 * MB); delta.total.gainBytes = gain })
    expect(causes(back(300 * MB * LIMIT.cameBackShare - 1))).toEqual(['in-use'])
    expect(causes(back(300 * MB * LIMIT.cameBackShare))).toEqual([])
    const nobody = run(({ record }) => { onlySteps(record); record.treated = []; record.plan.skipped = [{ source: 'reclaim', what: 'paging out', reason: 'no agent has been idle for one minute', kind: 'not-needed' }] })
    expect(causes(nobody)).toEqual(['in-use'])
  })

  test('KSM needs time: before two rounds, or two minutes', () => {
    const merging = (rounds: number, offered = 5000) => looks((all) => ksm(all, { run: 1, full_scans: rounds, pages_volatile: offered }))
    const started = run(({ record }) => onlySteps(record, 'write'))
    expect(causes(started, merging(LIMIT.ksmRounds - 1))).toEqual(['ksm-needs-time'])
    expect(causes(started, merging(LIMIT.ksmRounds))).toEqual([])
    expect(causes(started, merging(0, 0))).toEqual([])
    const soon = merging(9)
    for (const look of soon) look.takenAtMs = started.record.startedAtMs + LIMIT.ksmMs - 1
    expect(causes(started, soon)).toEqual(['ksm-needs-time'])
  })
})

describe('beside the five', () => {
  test('a program was ended since the run began', () => {
    const kill = (agoS: number) => looks((all) => { for (const look of all) look.kernelMessages = known([{ atS: look.uptimeS - agoS, kind: 'oom-kill', text: 'killed node: out of memory' }]) })
    expect(causes(run(({ record }) => onlySteps(record, 'reclaim')), kill(299))).toEqual(['oom'])
    // Where messages may not be read, the kernel's counter tells of a kill since the run began, and of none before it.
    const unread = (kills: number) => looks((all) => { for (const [at, look] of all.entries()) { look.kernelMessages = missing('not-permitted'); look.vmstat['oom_kill'] = 5 + (at === all.length - 1 ? kills : 0) } }, 2)
    expect(causes(run(({ record }) => onlySteps(record, 'reclaim')), unread(1))).toContain('oom')
    expect(causes(run(({ record }) => onlySteps(record, 'reclaim')), unread(0))).not.toContain('oom')
    expect(causes(run(({ record }) => onlySteps(record, 'reclaim')), kill(301))).toEqual([])
  })

  test('a part this kernel cannot do, and what to do instead', () => {
    const old = run(({ record }) => { onlySteps(record, 'swap-on'); record.plan.skipped = [{ source: 'reclaim', what: 'memory.reclaim', reason: 'needs Linux 5.19, this is 5.10', kind: 'impossible' }] })
    expect(causes(old)).toEqual(['only-limits', 'older-kernel'])
    // Where paging out was done in another way, nothing of it was missing.
    const done = run(({ record }) => { onlySteps(record, 'reclaim'); record.plan.skipped = structuredClone(old.record.plan.skipped) })
    expect(causes(done)).toEqual([])
    expect(didNotFall(old, looks())[1]?.explanation).toContain('process_madvise')
  })
})

describe('nothing is said', () => {
  const fallen = run(({ record, delta }) => { onlySteps(record, 'zram-init', 'swap-on'); delta.total = { ...delta.total, verdict: 'gain', gainBytes: LIMIT.leastGainBytes + 1 } })

  test('where memory fell', () => {
    expect(causes(fallen)).toEqual([])
    expect(causes(run(({ record, delta }) => { onlySteps(record, 'zram-init'); row(delta, 'available', LIMIT.leastGainBytes + 1); row(delta, 'free', LIMIT.leastGainBytes + 1) }))).toEqual([])
  })

  test('where it was never measured, failed, or cannot be compared', () => {
    const limits = run(({ record }) => onlySteps(record, 'zram-init'))
    expect(causes(limits)).toEqual(['only-limits'])
    expect(causes({ ...limits, delta: null })).toEqual([])
    expect(causes(run(({ record }) => { onlySteps(record, 'zram-init'); record.state = 'failed' }))).toEqual([])
    expect(causes(run(({ record, delta }) => { onlySteps(record, 'zram-init'); delta.comparable = false }))).toEqual([])
  })
})
