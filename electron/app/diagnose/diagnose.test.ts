import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { evidenceSchema, type Evidence } from '../../../helper/contract/evidence.ts'
import { missing } from '../../../helper/contract/known.ts'
import type { PresetSettings } from '../../../helper/contract/presets.ts'
import { diagnosisSchema, type Finding } from '../../contract/diagnosis.ts'
import type { RunDetail } from '../../contract/views.ts'
import { openHistoryInMemory } from '../history/open.ts'
import type { History } from '../history/types.ts'
import { sampleRun } from '../report/sample-run.ts'
import { detailOf } from '../runs/run-record.ts'
import { outcomeEntry } from '../runs/run-journal.ts'
import type { PlanWish } from '../runs/planner.ts'
import { createDiagnose, type Diagnose } from './diagnose.ts'
import type { Offer, Rule } from './rule.ts'
import { tryPresetId, wishOf } from './try-solution.ts'

const gap = missing('not-permitted')
let swappiness: string
let uptimeS: number
/** A look of which the rule below reads the free swap alone. */
const lookAt = (atMs: number, swapFree: number, bootId = 'boot'): Evidence =>
  evidenceSchema.parse({
    version: 1, takenAtMs: atMs, monotonicMs: atMs, bootId, kernelRelease: '6.12.9', kernelVersion: [6, 12], privileged: false, cpus: 2, pageBytes: 4096, uptimeS,
    meminfo: { SwapFree: swapFree }, vmstat: { pgscan: atMs }, pressure: { memory: gap, io: gap, cpu: gap }, kernelThreadsCpuMs: { kswapd: gap, ksmd: gap, kcompactd: gap, khugepaged: gap },
    sysctl: { '/proc/sys/vm/swappiness': { value: swappiness } }, mm: {}, zswapDebug: {}, swapDevices: [], zram: [], zones: [], numa: [], slab: gap, cgroups: gap, memoryFileSystems: [], processes: [], zombieProcesses: 0, rivals: [],
    hardening: { aslr: gap, noExecute: gap, guardGapPages: gap, swapEncryption: [], lockdown: gap, ptraceScope: gap, mmapMinAddr: gap, initOnAlloc: gap, initOnFree: gap },
    config: gap, agentsKnown: true, agents: [], orphans: [], duplicates: [], kernelMessages: gap, tookMs: 40,
  } satisfies Evidence)

const offer = (id: string, act: Offer['act'] = { how: 'advice' }): Offer => ({ id, title: `Do ${id}`, what: 'w', tradeOff: 't', sideEffects: 's', scope: 'the whole machine', undo: 'by-run', undoWords: 'u', act })
const rule: Rule = {
  id: 'swap.full', topic: 'swap', title: 'Swap is full', needs: [], thresholds: {}, because: '', lookDeeper: ['vmstat'],
  find: (looks) => {
    const free = looks.at(-1)?.meminfo['SwapFree'] ?? 0
    return free > 100
      ? []
      : [{
          subject: '', severity: 'warning', explanation: `There are ${free} bytes left, seen by ${looks.length} looks.`,
          figures: [{ what: 'Free swap', value: free, unit: 'bytes', source: '/proc/meminfo SwapFree', threshold: { kind: 'below', value: 100 }, history: null }],
          solutions: [offer('first', { how: 'try-run', settings: { tunables: { swappiness: 100 } } }), offer('second', { how: 'preset', presetId: 'more-agents', agentIds: null }), offer('third')],
        }]
  },
}
const cause: Finding = { rule: 'did-not-fall.cache', subject: '', severity: 'information', topic: 'did-not-fall', title: 'It became cache', explanation: 'e', figures: [{ what: 'c', value: 1, unit: 'bytes', source: 's', threshold: null, history: null }], solutions: [offer('a'), offer('b')].map((one) => ({ ...one, before: [] })), lookDeeper: [] }

let history: History
let atMs: number
let swapFree: number
let looked: number
let refused: Result<Evidence> | null
const planned = vi.fn<(wish: PlanWish) => Promise<Result<never>>>()
const changed = vi.fn<() => void>()
const run: RunDetail = detailOf(sampleRun())

const make = (): Diagnose =>
  createDiagnose({
    look: async () => {
      looked += 1
      return refused ?? ok(lookAt(atMs, swapFree))
    },
    rules: [rule], features: () => [], didNotFall: () => [cause], leaks: () => [], history, planner: { plan: planned }, run: (id) => (id === run.record.id ? run : null), onChanged: changed, now: () => atMs,
  })
let diagnose: Diagnose
beforeEach(() => {
  history = openHistoryInMemory({ code: 'internal', message: 'test' })
  atMs = 1_000_000
  swapFree = 10
  looked = 0
  refused = null
  swappiness = '60'
  uptimeS = 3600
  changed.mockClear()
  planned.mockReset().mockResolvedValue(fail('internal', 'planned'))
  diagnose = make()
})
afterEach(() => history.close())

const get = async (leaks = false) => {
  const answer = await diagnose.get({ leaks })
  if (!answer.ok) throw new Error(answer.error.message)
  return diagnosisSchema.parse(answer.value)
}
const journal = (): string[] => history.reader.journal({ text: '', limit: 100, beforeId: null }).entries.map(({ kind, title }) => `${kind}: ${title}`)

describe('looking', () => {
  test('one look answers at once, two give a span, a third waits for what they cost', async () => {
    expect(await get()).toMatchObject({ looks: 1, spanMs: 0, leaks: null })
    atMs += 500
    expect((await get()).looks).toBe(1)
    atMs += 3000
    expect(await get(true)).toMatchObject({ looks: 2, spanMs: 3500, leaks: [] })
    atMs += 1900
    expect((await get()).looks).toBe(2)
    atMs += 200
    expect((await get()).looks).toBe(3)
    expect(looked).toBe(3)
  })

  test('several that ask at once share one look', async () => {
    await Promise.all([get(), get(), get()])
    expect(looked).toBe(1)
  })

  test('another program of this boot finds the looks of before; old ones and those of another boot are left out', async () => {
    history.writer.addLook(lookAt(atMs - 20 * 60_000, 10))
    history.writer.addLook(lookAt(atMs - 5_000, 10, 'another boot'))
    history.writer.addLook(lookAt(atMs - 4_000, 10))
    expect(await get()).toMatchObject({ looks: 2, spanMs: 4000 })
  })

  test('all looks of the last minute are kept and one of each minute before, so that ten minutes are seen', async () => {
    for (let i = 0; i < 400; i += 1) {
      atMs += 5_000
      await get()
    }
    const { looks, spanMs } = await get()
    expect(spanMs).toBeGreaterThanOrEqual(13 * 60_000)
    expect(spanMs).toBeLessThanOrEqual(15 * 60_000)
    expect(looks).toBeGreaterThanOrEqual(24)
    expect(looks).toBeLessThanOrEqual(28)
    // On the disk are fewer, for the next program.
    const stored = history.reader.looks('boot', 0, 100)
    expect(stored).toHaveLength(24)
    expect((stored.at(-1)?.takenAtMs ?? 0) - (stored[0]?.takenAtMs ?? 0)).toBe(23 * 30_000)
  })

  test('a look that fails is passed on as it is, and the next one is tried', async () => {
    refused = fail('internal', 'no /proc')
    expect(await diagnose.get({ leaks: false })).toEqual(refused)
    refused = null
    expect((await get()).findings).toHaveLength(1)
  })
})

describe('the journal', () => {
  test('a finding is written once while it stays, and again only a day after it went', async () => {
    await get()
    atMs += 5_000
    await get()
    expect(journal()).toEqual(['finding: Swap is full'])
    expect(history.reader.journal({ text: 'SwapFree', limit: 1, beforeId: null }).entries[0]?.text).toBe('There are 10 bytes left, seen by 1 looks.\nFree swap: 1 kB (/proc/meminfo SwapFree)')
    swapFree = 1000
    atMs += 5_000
    await get()
    swapFree = 5
    atMs += 5_000
    await get()
    expect(journal()).toHaveLength(1)
    expect(changed).toHaveBeenCalledTimes(2)
    // Another program, the same day; then one the day after.
    diagnose = make()
    atMs += 60_000
    await get()
    expect(journal()).toHaveLength(1)
    diagnose = make()
    atMs += 24 * 3600_000
    await get()
    expect(journal()).toHaveLength(2)
  })

  test('what helped here before comes first, what did not comes last, with figure and date', async () => {
    const outcome = (id: string, solution: string, changes: Partial<ReturnType<typeof sampleRun>>) => {
      const detail = detailOf({ ...sampleRun(), id, presetId: tryPresetId('swap.full', solution), ...changes })
      const entry = outcomeEntry(detail, { rule: 'swap.full', subject: '', solution, presetId: null }, 1)
      if (entry !== null) history.writer.addToJournal(entry)
    }
    outcome('20261120T140312Z-00000001', 'first', { state: 'undone', undoCause: 'user-undo' })
    outcome('20261120T140312Z-00000002', 'third', { state: 'kept' })
    const { findings } = await get()
    expect(findings[0]?.solutions.map(({ id, before }) => [id, before.map((one) => one.outcome)])).toEqual([['third', ['kept']], ['second', []], ['first', ['undone']]])
    expect(findings[0]?.solutions[0]?.before[0]).toMatchObject({ atMs: sampleRun().endedAtMs, gainBytes: { value: run.delta?.total.gainBytes } })
  })

  test('a preset that was kept, from wherever, speaks for the solution that is it', async () => {
    const entry = outcomeEntry(run, null, 1)
    if (entry === null) throw new Error('the sample run was kept')
    history.writer.addToJournal(entry)
    expect((await get()).findings[0]?.solutions[0]).toMatchObject({ id: 'second', before: [{ outcome: 'kept' }] })
  })
})

describe('trying', () => {
  const wish = { rule: 'swap.full', subject: '', solution: 'first' }

  test("a solution's settings are planned as a preset of their own, and remember where they came from", async () => {
    await diagnose.try(wish)
    expect(planned).toHaveBeenCalledWith({
      presetId: 'try-swap-full-first', agentIds: null, from: wish,
      preset: { version: 1, id: 'try-swap-full-first', title: 'Do first', description: 'w t', settings: { tunables: { swappiness: 100 } }, settleMs: 40_000, watchMs: 40_000, confirmMs: 180_000 },
    })
    await diagnose.try({ ...wish, solution: 'second' })
    expect(planned).toHaveBeenLastCalledWith({ presetId: 'more-agents', agentIds: null, from: { ...wish, solution: 'second' } })
  })

  test('what shows at once is not watched for long', async () => {
    const finding = (await get()).findings[0]
    const solution = finding?.solutions.find(({ id }) => id === 'first')
    if (finding === undefined || solution === undefined) throw new Error('nothing was found')
    const paceOf = (settings: PresetSettings) => {
      const made = wishOf({ ...finding, solutions: [{ ...solution, act: { how: 'try-run', settings } }] }, 'first')
      return made.ok ? [made.value.preset?.settleMs, made.value.preset?.watchMs] : made
    }
    expect(paceOf({ tunables: { compactNow: true } })).toEqual([20_000, undefined])
    expect(paceOf({ tunables: { hugePages: 0 } })).toEqual([20_000, undefined])
    expect(paceOf({ pruneCache: { level: 1 } })).toEqual([20_000, undefined])
    expect(paceOf({ tunables: { watermarkScaleFactor: 100 } })).toEqual([40_000, 40_000])
  })

  test('why memory did not fall can be acted on after the newest run, and is over with the next', async () => {
    history.writer.finishRun(sampleRun())
    await diagnose.noteRun(run.record.id)
    const solution = 'a'
    // Found, and then told what it is.
    expect(await diagnose.try({ rule: cause.rule, subject: '', solution })).toMatchObject({ ok: false, error: { code: 'not-supported' } })
    const id = '20991231T000000Z-00000000'
    history.writer.finishRun({ ...sampleRun(), id, startedAtMs: run.record.startedAtMs + 60_000 })
    expect(await diagnose.try({ rule: cause.rule, subject: '', solution })).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
  })

  describe('what comes and goes', () => {
    const plan = { presetId: 'try-swap-full-first' }
    const goneAfter = async (ms: number): Promise<void> => {
      await get()
      swapFree = 1000
      atMs += ms
      // What was planned is passed on as it is, whatever it is.
      planned.mockResolvedValue(ok(plan as never))
    }
    const changedPlan = { ok: false, error: { code: 'plan-changed' } }

    test('is told from a name that no rule has', async () => {
      await goneAfter(0)
      expect(await diagnose.try({ ...wish, rule: 'swap.nearly-ful' })).toMatchObject({ ok: false, error: { code: 'bad-request', message: 'There is no rule "swap.nearly-ful".', expected: expect.stringMatching(/^swap\./u), got: 'swap.nearly-ful' } })
      expect(await diagnose.try({ ...wish, subject: 'sdz' })).toMatchObject(changedPlan)
    })

    test('may be tried while it is away for a moment, and says since when', async () => {
      const foundAtMs = atMs
      await goneAfter(40_000)
      expect(await diagnose.try(wish)).toEqual(ok({ ...plan, lastFoundAtMs: foundAtMs }))
      // Seen without it in between: the last time it was there counts.
      atMs += 10_000
      await get()
      expect(await diagnose.try(wish)).toEqual(ok({ ...plan, lastFoundAtMs: foundAtMs }))
      // There again: it is found now.
      swapFree = 10
      atMs += 10_000
      expect(await diagnose.try(wish)).toEqual(ok(plan))
    })

    test('by another program too, which finds it in the history', async () => {
      const foundAtMs = atMs
      await goneAfter(40_000)
      diagnose = make()
      expect(await diagnose.try(wish)).toEqual(ok({ ...plan, lastFoundAtMs: foundAtMs }))
      // That it was not found now is in the history by then; the moment before still is.
      atMs += 60_000
      diagnose = make()
      expect(await diagnose.try(wish)).toEqual(ok({ ...plan, lastFoundAtMs: foundAtMs }))
    })

    test('is known to another program minutes after it went, however long it had been there', async () => {
      for (let minutes = 0; minutes < 30; minutes += 1) {
        await get()
        atMs += 60_000
      }
      await goneAfter(170_000)
      diagnose = make()
      expect(await diagnose.try(wish)).toMatchObject({ ok: true })
    })

    test('is over after minutes', async () => {
      await goneAfter(299_000)
      expect(await diagnose.try(wish)).toMatchObject({ ok: true })
      atMs += 2_000
      expect(await diagnose.try(wish)).toMatchObject(changedPlan)
      diagnose = make()
      expect(await diagnose.try(wish)).toMatchObject(changedPlan)
    })

    test('is over with a restart of the computer', async () => {
      await goneAfter(60_000)
      uptimeS = 30
      expect(await diagnose.try(wish)).toMatchObject(changedPlan)
      diagnose = make()
      expect(await diagnose.try(wish)).toMatchObject(changedPlan)
    })

    test('is refused once a setting is another than its plan was made from, and names it', async () => {
      await goneAfter(40_000)
      swappiness = '100'
      const refusal = { ok: false, error: { code: 'plan-changed', message: expect.stringContaining('/proc/sys/vm/swappiness'), expected: '60', got: '100' } }
      expect(await diagnose.try(wish)).toMatchObject(refusal)
      diagnose = make()
      expect(await diagnose.try(wish)).toMatchObject(refusal)
      expect(planned).not.toHaveBeenCalled()
    })
  })

  test('what is no run, no solution or not found any more says so', async () => {
    expect(await diagnose.try({ ...wish, solution: 'third' })).toMatchObject({ ok: false, error: { code: 'not-supported' } })
    expect(await diagnose.try({ ...wish, solution: 'nope' })).toMatchObject({ ok: false, error: { code: 'bad-request', expected: 'first, second, third' } })
    expect(await diagnose.try({ ...wish, rule: 'other' })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(planned).not.toHaveBeenCalled()
  })

  test('ids of such presets are valid and differ, however long', () => {
    const long = (end: string): string => tryPresetId('memory-files.tmpfs-hoarder', `move-to-a-disk-of-some-other-kind-${end}`)
    expect(long('one')).toMatch(/^[a-z0-9][a-z0-9-]{0,47}$/u)
    expect(long('one')).not.toBe(long('two'))
  })
})

describe('after a run', () => {
  test('its causes come first, then what was found when it was measured', async () => {
    await diagnose.noteRun(run.record.id)
    swapFree = 1000
    atMs += 60_000
    const answer = await diagnose.ofRun(run.record.id)
    if (!answer.ok) throw new Error(answer.error.message)
    expect(diagnosisSchema.parse(answer.value).findings.map((finding) => finding.rule)).toEqual(['did-not-fall.cache', 'swap.full'])
    expect(history.reader.findingsOfRun(run.record.id)?.findings).toHaveLength(2)
    expect(journal()).toContain('finding: It became cache')
    await diagnose.noteRun(run.record.id)
    expect(journal()).toHaveLength(2)
  })

  test('one that is not there is named', async () => {
    expect(await diagnose.ofRun('20261121T093005Z-1a2b3c4d')).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
    await diagnose.noteRun('20261121T093005Z-1a2b3c4d')
    expect(looked).toBe(0)
  })
})
