import { stringify } from 'csv-stringify/sync'
import type { Reading } from '../../../helper/contract/reading.ts'
import { durationText } from './format.ts'
import type { ReportModel } from './model.ts'

/**
 * One table for all: `section` tells the rows apart. Empty means "not known"
 * or "does not apply", never zero.
 *
 * total    one row: all treated agents together
 * kind     one row a kind of agent; `control` rows are those left alone
 * agent    one row an agent
 * suspended one row an agent suspended in between: `old` and `new` are its states, `count` how often, `gain_bytes` what the last suspend won
 * finding  one row a finding about memory: `group` is how bad, `old` the rule, `note` its evidence
 * machine  one row a figure of the whole machine
 * step     one row a planned step: old, new and read-back value
 * undo     one row an undone value: `old` is what it went back to, `read_back` what was found
 */
export const CSV_COLUMNS = [
  'section', // total, kind, control, agent, suspended, machine, finding, step, undo
  'name', // kind, agent, figure, or the file or device of a step
  'group', // treated, control, other; for total the verdict
  'count', // agents in this row; the number of a step
  'before_bytes',
  'after_bytes',
  'change_bytes', // after less before
  'change_percent',
  'expected_after_bytes', // what it would be had the agents changed as the control did
  'gain_bytes', // expected less after; positive is memory won
  'noise_bytes', // difference of the two looks before
  'compressed_after_bytes', // share of the compressed pool, part of after_bytes
  'old',
  'new',
  'read_back',
  'outcome',
  'note',
] as const
type Column = (typeof CSV_COLUMNS)[number]
type Row = Partial<Record<Column, string | number | null>> & { section: string; name: string }

/** A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers. */
export const safeCell = (value: string | number | null | undefined): string => {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return String(value)
  return /^[\s\p{Cf}]*[=+\-@＝＋－＠|%]|^[\t\r\n]/u.test(value) ? `'${value}` : value
}

const number = (reading: Reading): number | null => reading.value

const rowsOf = (model: ReportModel): Row[] => {
  const { delta } = model
  const rows: Row[] = []
  if (delta !== null) {
    const { total } = delta
    rows.push({
      section: 'total', name: model.title, group: total.verdict, count: delta.kinds.reduce((sum, kind) => sum + kind.treated.count, 0), before_bytes: total.beforeBytes, after_bytes: total.afterBytes,
      change_bytes: total.afterBytes - total.beforeBytes, expected_after_bytes: total.controlled === 'none' ? null : total.expectedAfterBytes, gain_bytes: total.gainBytes, noise_bytes: number(total.noiseBytes), note: [model.headline, ...model.warnings].join(' '),
    })
    for (const kind of delta.kinds) {
      rows.push({
        section: 'kind', name: kind.title, group: 'treated', count: kind.treated.count, before_bytes: kind.treated.beforeBytes, after_bytes: kind.treated.afterBytes,
        change_bytes: kind.treated.afterBytes - kind.treated.beforeBytes, expected_after_bytes: kind.control === null ? null : kind.expectedAfterBytes, gain_bytes: kind.gainBytes, noise_bytes: number(kind.noiseBytes),
      })
      if (kind.control === null) continue
      rows.push({ section: 'control', name: kind.title, group: 'control', count: kind.control.count, before_bytes: kind.control.beforeBytes, after_bytes: kind.control.afterBytes, change_bytes: kind.control.afterBytes - kind.control.beforeBytes })
    }
    for (const agent of model.agents) {
      rows.push({
        section: 'agent', name: agent.label, group: agent.group, count: 1, before_bytes: number(agent.beforeBytes), after_bytes: number(agent.afterBytes), change_bytes: number(agent.changeBytes),
        change_percent: number(agent.changePercent), noise_bytes: number(agent.noiseBytes), compressed_after_bytes: number(agent.afterCompressedBytes),
      })
    }
    for (const row of model.suspended) {
      rows.push({ section: 'suspended', name: row.label, count: row.times, gain_bytes: row.wonBytes, old: row.before, new: row.after, outcome: row.wokenBy, note: durationText(row.suspendedMs) })
    }
    for (const row of delta.machine) {
      rows.push({ section: 'machine', name: row.label, before_bytes: number(row.beforeBytes), after_bytes: number(row.afterBytes), change_bytes: number(row.changeBytes), noise_bytes: number(row.noiseBytes) })
    }
  }
  for (const row of model.findings?.rows ?? []) rows.push({ section: 'finding', name: row.title, group: row.severity, old: row.rule, note: [row.why, ...row.evidence].filter((part) => part !== '').join(' ') })
  for (const step of model.steps) rows.push({ section: 'step', name: step.target, count: step.number, old: step.old, new: step.new, read_back: step.readBack, outcome: step.outcome, note: step.why })
  for (const line of model.undo) rows.push({ section: 'undo', name: line.target, old: line.old, read_back: line.found, outcome: line.outcome, note: line.reason })
  return rows
}

/** RFC 4180 with a byte order mark: spreadsheets then read names as UTF-8. */
export const toCsv = (model: ReportModel): string =>
  stringify([[...CSV_COLUMNS], ...rowsOf(model).map((row) => CSV_COLUMNS.map((column) => safeCell(row[column])))], { bom: true, record_delimiter: 'windows' })
