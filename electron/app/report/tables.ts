import { durationText, figure, GAP, noiseFigure, percentText, signed, timeText, unitFor } from './format.ts'
import type { ReportModel } from './model.ts'

/** A table as every laid-out format (HTML, PDF, Markdown) shows it: texts only, units in the head. */
export interface Table {
  id: string
  title: string
  /** What the columns mean, where a head alone would not say it. */
  note: string
  columns: readonly { head: string; numeric: boolean }[]
  rows: readonly (readonly string[])[]
  /** The last row is a sum. */
  hasTotal: boolean
}

const text = (head: string) => ({ head, numeric: false })
const number = (head: string) => ({ head, numeric: true })

const kindsTable = ({ delta }: ReportModel): Table | null => {
  if (delta === null || delta.kinds.length === 0) return null
  const { total } = delta
  const unit = unitFor(delta.kinds.map((kind) => kind.treated.beforeBytes), 10_000)
  const rows = delta.kinds.map((kind) => {
    const noise = kind.noiseBytes.value
    return [
      kind.title,
      String(kind.treated.count),
      kind.control === null ? 'none' : `${kind.control.count}: ${figure(kind.control.beforeBytes, unit)} to ${figure(kind.control.afterBytes, unit)}`,
      figure(kind.treated.beforeBytes, unit, noise),
      kind.control === null ? GAP : figure(kind.expectedAfterBytes, unit, noise),
      figure(kind.treated.afterBytes, unit, noise),
      signed(kind.gainBytes, unit, noise),
      noiseFigure(noise, unit),
    ]
  })
  const noise = total.noiseBytes.value
  const sum = [
    'Together',
    String(delta.kinds.reduce((count, kind) => count + kind.treated.count, 0)),
    '',
    figure(total.beforeBytes, unit, noise),
    total.controlled === 'none' ? GAP : figure(total.expectedAfterBytes, unit, noise),
    figure(total.afterBytes, unit, noise),
    signed(total.gainBytes, unit, noise),
    noiseFigure(noise, unit),
  ]
  return {
    id: 'kinds',
    title: 'By kind of agent',
    note: '"Expected" is what these agents would cost now had they changed as the control did; gain is expected less now.',
    columns: [text('Kind'), number('Agents'), text(`Control, ${unit}`), number(`Before, ${unit}`), number(`Expected, ${unit}`), number(`Now, ${unit}`), number(`Gain, ${unit}`), number(`Noise ±, ${unit}`)],
    rows: [...rows, sum],
    hasTotal: true,
  }
}

const machineTable = ({ delta }: ReportModel): Table | null => {
  const rows = delta?.machine.filter((row) => row.beforeBytes.value !== null || row.afterBytes.value !== null) ?? []
  if (rows.length === 0) return null
  // In GB what merging saves would read 0.0.
  const unit = unitFor(rows.flatMap((row) => [row.beforeBytes.value, row.afterBytes.value]), 100_000)
  return {
    id: 'machine',
    title: 'The machine',
    note: 'All agents and everything else on the machine; programs other than agents move these figures as well.',
    columns: [text('Figure'), number(`Before, ${unit}`), number(`After, ${unit}`), number(`Change, ${unit}`), number(`Noise ±, ${unit}`)],
    rows: rows.map((row) => {
      const noise = row.noiseBytes.value
      return [row.label, figure(row.beforeBytes.value, unit, noise), figure(row.afterBytes.value, unit, noise), signed(row.changeBytes.value, unit, noise), noiseFigure(noise, unit)]
    }),
    hasTotal: false,
  }
}

const GROUPS = { treated: 'treated', control: 'control', other: 'not touched' } as const

const agentsTable = (model: ReportModel): Table | null => {
  if (model.agents.length === 0) return null
  const isRun = model.subject.kind === 'run'
  return {
    id: 'agents',
    title: 'Each agent',
    note: '',
    columns: [text('Agent'), ...(isRun ? [text('Group')] : []), number('Before, MB'), number('After, MB'), number('of it compressed, MB'), number('Change, MB'), number('Change'), number('Noise ±, MB')],
    rows: model.agents.map((agent) => {
      const noise = agent.noiseBytes.value
      return [
        agent.label,
        ...(isRun ? [GROUPS[agent.group]] : []),
        figure(agent.beforeBytes.value, 'MB', noise),
        figure(agent.afterBytes.value, 'MB', noise),
        figure(agent.afterCompressedBytes.value, 'MB', noise),
        signed(agent.changeBytes.value, 'MB', noise),
        percentText(agent.changePercent),
        noiseFigure(noise, 'MB'),
      ]
    }),
    hasTotal: false,
  }
}

const suspendedTable = (model: ReportModel): Table | null =>
  model.suspended.length === 0
    ? null
    : {
        id: 'suspended',
        title: 'Suspended agents',
        note: 'Who was suspended at some time between the two sides. "Won" is what the last suspend took off its cost, measured right after it.',
        columns: [text('Agent'), text('State before'), text('State after'), number('Times'), text('For'), number('Won, MB'), text('Woken')],
        rows: model.suspended.map((row) => [row.label, row.before, row.after, String(row.times), durationText(row.suspendedMs), figure(row.wonBytes, 'MB'), row.wokenBy === '' ? GAP : row.wokenBy]),
        hasTotal: false,
      }

const findingsTable = ({ findings }: ReportModel): Table | null =>
  findings === null || findings.rows.length === 0
    ? null
    : {
        id: 'findings',
        title: 'What was found about memory',
        note: `As of ${timeText(findings.atMs)}, most severe first.`,
        columns: [text('How bad'), text('Found'), text('Evidence'), text('What could be done')],
        rows: findings.rows.map((row) => [row.severity, [row.title, row.subject === '' ? '' : `(${row.subject})`, row.why].filter((part) => part !== '').join(' '), row.evidence.join('; '), row.solutions.length === 0 ? GAP : row.solutions.join('; ')]),
        hasTotal: false,
      }

const stepsTable = (model: ReportModel): Table | null =>
  model.steps.length === 0
    ? null
    : {
        id: 'steps',
        title: 'What was done',
        note: 'Every value was read back after writing; the kernel may keep another one than asked for.',
        columns: [number('Step'), text('What'), text('Where'), text('Old'), text('New'), text('Read back'), text('Outcome'), text('Way back')],
        rows: model.steps.map((step) => [String(step.number), step.source, step.target, step.old ?? GAP, step.new, step.readBack ?? GAP, step.outcome, step.undo]),
        hasTotal: false,
      }

const undoTable = (model: ReportModel): Table | null =>
  model.undo.length === 0
    ? null
    : {
        id: 'undo',
        title: 'What was undone',
        note: '',
        columns: [text('Where'), text('Back to'), text('Found'), text('Outcome'), text('Why')],
        rows: model.undo.map((line) => [line.target, line.old ?? GAP, line.found ?? GAP, line.outcome, line.reason]),
        hasTotal: false,
      }

/** In reading order; empty ones left out. */
export const tablesOf = (model: ReportModel): Table[] => [kindsTable(model), agentsTable(model), suspendedTable(model), machineTable(model), findingsTable(model), stepsTable(model), undoTable(model)].filter((table) => table !== null)
