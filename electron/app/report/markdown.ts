import { timeText } from './format.ts'
import type { ReportModel } from './model.ts'
import { tablesOf, type Table } from './tables.ts'

/** Text as text: nothing in a name may become markup, a link, or another cell. */
export const escapeMarkdown = (text: string): string =>
  text
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/[\\`*_{}[\]<>|#~$!]/gu, String.raw`\$&`)
    .replaceAll(/(https?|ftp|www)(?=[:.])/giu, '$1\u200b') // no autolinks

const table = ({ title, note, columns, rows, hasTotal }: Table): string => {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    `## ${escapeMarkdown(title)}`,
    ...(note === '' ? [] : [escapeMarkdown(note)]),
    [
      line(columns.map((column) => escapeMarkdown(column.head))),
      line(columns.map((column) => (column.numeric ? '---:' : '---'))),
      ...rows.map((row, r) => line(row.map((cell) => (hasTotal && r === rows.length - 1 && cell !== '' ? `**${escapeMarkdown(cell)}**` : escapeMarkdown(cell))))),
    ].join('\n'),
  ].join('\n\n')
}

const list = (title: string, items: readonly string[]): string[] => (items.length === 0 ? [] : [`## ${title}`, items.map((item) => `- ${escapeMarkdown(item)}`).join('\n')])

/** For an issue or a chat: tables instead of charts. */
export const toMarkdown = (model: ReportModel): string =>
  [
    `# ${escapeMarkdown(model.title)}`,
    escapeMarkdown(model.subtitle),
    `**${escapeMarkdown(model.headline)}** (${escapeMarkdown(model.verdictWord.toLowerCase())})`,
    ...[model.control, model.state].filter((text) => text !== '').map(escapeMarkdown),
    ...model.warnings.map((text) => `> ${escapeMarkdown(text)}`),
    ...tablesOf(model).map(table),
    ...list('Asked for, but not done', model.skipped.map(({ what, reason }) => `${what}: ${reason}`)),
    ...list('Good to know', model.notes),
    ...list('The machine it ran on', model.facts.map(({ label, value }) => `${label}: ${value}`)),
    ...list('How it was measured', model.measured),
    `Made ${timeText(model.madeAtMs)} by Agent Memory Center. ${model.privacy.private ? 'Names of projects are included.' : 'Names of projects, folders and command lines are left out.'} 1 GB is 1024 MB.`,
  ].join('\n\n') + '\n'
