import { drawCharts, type Chart, type Palette } from './charts.ts'
import { timeText } from './format.ts'
import { STYLE } from './html-style.ts'
import type { ReportModel } from './model.ts'
import { tablesOf, type Table } from './tables.ts'

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
export const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/gu, (character) => ENTITIES[character] ?? character)

/** Drawn once for light and dark: the page's style sheet fills the colours in. */
const VARIABLES: Palette = { ink: 'var(--ink-2)', line: 'var(--line)', before: 'var(--bar-before)', expected: 'var(--bar-expected)', after: 'var(--gain-mark)', control: 'var(--active)', other: 'var(--suspended)' }
const FONT = 'Inter, system-ui, sans-serif'

const table = ({ id, title, note, columns, rows, hasTotal }: Table): string => {
  const cell = (text: string, i: number): string => `<td${columns[i]?.numeric === true ? ' class="n"' : ''}>${escapeHtml(text)}</td>`
  const body = rows.map((row, r) => `<tr${hasTotal && r === rows.length - 1 ? ' class="total"' : ''}>${row.map(cell).join('')}</tr>`).join('\n')
  return `<section aria-labelledby="h-${id}"><h2 id="h-${id}">${escapeHtml(title)}</h2>
${note === '' ? '' : `<p class="note">${escapeHtml(note)}</p>`}
<div class="scroll" tabindex="0" role="region" aria-labelledby="h-${id}"><table class="t-${id}"><thead><tr>${columns.map((column) => `<th scope="col"${column.numeric ? ' class="n"' : ''}>${escapeHtml(column.head)}</th>`).join('')}</tr></thead>
<tbody>${body}</tbody></table></div></section>`
}

const list = (title: string, items: readonly string[]): string => (items.length === 0 ? '' : `<section><h2>${escapeHtml(title)}</h2><ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul></section>`)

const facts = (model: ReportModel): string =>
  model.facts.length === 0 ? '' : `<section><h2>The machine it ran on</h2><dl>${model.facts.map(({ label, value }) => `<div><dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}</dd></div>`).join('')}</dl></section>`

/** Both widths are in the file; the style sheet shows the one that fits. */
const drawing = ({ svg }: Chart, shownWhen: 'wide' | 'narrow'): string => svg.replace(/^<svg /u, `<svg class="${shownWhen}" aria-hidden="true" `)

/** One file that needs nothing else: no script, no font, no picture from anywhere. */
export const toHtml = (model: ReportModel): string => {
  const tables = new Map(tablesOf(model).map((one) => [one.id, table(one)]))
  const narrow = new Map(drawCharts(model, VARIABLES, 380, FONT).map((chart) => [chart.id, chart]))
  const charts = new Map(
    drawCharts(model, VARIABLES, 860, FONT).map((chart) => [
      chart.id,
      `<figure><figcaption>${escapeHtml(chart.title)}</figcaption><div class="chart" role="img" aria-label="${escapeHtml(`${chart.title}. ${chart.text}`)}">${drawing(chart, 'wide')}${drawing(narrow.get(chart.id) ?? chart, 'narrow')}</div></figure>`,
    ]),
  )
  const get = (map: ReadonlyMap<string, string>, id: string): string => map.get(id) ?? ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(`${model.title}: ${model.headline}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<p class="kicker">Agent Memory Center</p>
<h1>${escapeHtml(model.title)}</h1>
<p class="subtitle">${escapeHtml(model.subtitle)}</p>
<div class="hero ${model.verdict}"><span class="badge">${escapeHtml(model.verdictWord)}</span><p class="headline">${escapeHtml(model.headline)}</p>
${[model.control, model.state].filter((text) => text !== '').map((text) => `<p>${escapeHtml(text)}</p>`).join('')}</div>
${model.warnings.map((text) => `<p class="warning">${escapeHtml(text)}</p>`).join('')}
</header>
${get(charts, 'kinds')}
${get(tables, 'kinds')}
${get(charts, 'machine')}
${get(tables, 'machine')}
${get(charts, 'agents')}
${get(tables, 'agents')}
${get(tables, 'suspended')}
${get(tables, 'findings')}
${get(tables, 'steps')}
${list('Asked for, but not done', model.skipped.map(({ what, reason }) => `${what}: ${reason}`))}
${list('Good to know', model.notes)}
${get(tables, 'undo')}
${facts(model)}
${list('How it was measured', model.measured)}
<footer>Made ${escapeHtml(timeText(model.madeAtMs))}. ${model.privacy.private ? 'Names of projects are included.' : 'Names of projects, folders and command lines are left out.'} 1 GB is 1024 MB.</footer>
</main>
</body>
</html>
`
}
