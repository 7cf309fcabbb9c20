import { createRequire } from 'node:module'
import type { Content, TableCell } from 'pdfmake'
import { drawCharts, PAPER } from './charts.ts'
import { timeText } from './format.ts'
import type { ReportModel } from './model.ts'
import { tablesOf, type Table } from './tables.ts'

const INK = '#17181c'
const INK_2 = '#4a4c54'
const LINE = '#e4e4df'
const PAGE_WIDTH = 515 // A4 less its margins, in points
const COLORS = { gain: '#00694e', loss: '#b3321f', 'within-noise': INK_2, 'nothing-to-compare': INK_2 } as const

/** Roboto has Latin, Greek, Cyrillic and common signs; anything else would be an empty space. */
const printable = (text: string): string => text.replaceAll(/[^\u0020-\u052f\u1e00-\u1eff\u2010-\u2026\u2030-\u203a\u20ac\u2122\u2212\u2248\u2260\u2264\u2265]/gu, '□')
/** A word longer than its column would leave the page: let it break after signs and every 14 letters. */
const breakable = (text: string): string =>
  printable(text).replaceAll(/\S{15,}/gu, (word) => word.replaceAll(/([/_.=?&])(?=\S)/gu, '$1\u200b').replaceAll(/[^\u200b]{14}(?=[^\u200b]{3})/gu, '$&\u200b'))

const widths: Record<string, (string | number)[]> = {
  kinds: ['*', 'auto', 'auto', 'auto', 'auto', 'auto', 'auto', 'auto'],
  steps: [22, 62, 100, 48, 62, '*', 48, 70],
  findings: [44, '*', 150, 90],
  undo: [150, 60, 60, 70, '*'],
}

/** A short table stays on one page with its heading. */
const together = (rows: number, content: Content[]): Content[] => (rows <= 14 ? [{ stack: content, unbreakable: true }] : content)

const table = ({ id, title, note, columns, rows, hasTotal }: Table): Content[] => {
  const cell = (text: string, i: number, bold: boolean): TableCell => ({ text: breakable(text), alignment: columns[i]?.numeric === true ? 'right' : 'left', bold })
  // Rows of steps take several lines each: kept together they would leave a page empty before them.
  return together(id === 'steps' || id === 'undo' || id === 'findings' ? rows.length * 4 : rows.length, [
    { text: printable(title), style: 'h2', headlineLevel: 1 },
    ...(note === '' ? [] : [{ text: printable(note), style: 'note' }]),
    {
      table: {
        headerRows: 1,
        dontBreakRows: true,
        keepWithHeaderRows: 1,
        widths: widths[id] ?? columns.map((_, i) => (i === 0 ? '*' : 'auto')),
        body: [
          columns.map((column): TableCell => ({ text: printable(column.head), style: 'th', alignment: column.numeric ? 'right' : 'left' })),
          ...rows.map((row, r) => row.map((text, i) => cell(text, i, hasTotal && r === rows.length - 1))),
        ],
      },
      layout: 'report',
      fontSize: id === 'steps' || id === 'findings' ? 7.5 : 8.5,
      margin: [0, 2, 0, 14],
    },
  ])
}

const list = (title: string, items: readonly string[]): Content[] =>
  items.length === 0 ? [] : [{ stack: [{ text: title, style: 'h2' }, { ul: items.map((item) => printable(item)), color: INK_2, margin: [0, 2, 0, 14] }], unbreakable: items.length < 20 }]

/** pdfmake and its font are large: read when the first PDF is asked for. */
const load = async () => {
  const { default: pdfmake } = await import('pdfmake')
  const require = createRequire(import.meta.url)
  const file = (name: string): string => require.resolve(`pdfmake/fonts/Roboto/${name}`)
  const fonts = { normal: file('Roboto-Regular.ttf'), bold: file('Roboto-Medium.ttf'), italics: file('Roboto-Italic.ttf'), bolditalics: file('Roboto-MediumItalic.ttf') }
  const allowed = new Set(Object.values(fonts))
  pdfmake.setFonts({ Roboto: fonts })
  // Nothing but the font is ever read, and nothing is fetched.
  pdfmake.setUrlAccessPolicy(() => false)
  pdfmake.setLocalAccessPolicy((path: string) => allowed.has(path))
  pdfmake.setTableLayouts({
    report: {
      hLineWidth: (i, node) => (i === 0 || i === node.table.body.length ? 0 : 0.5),
      vLineWidth: () => 0,
      hLineColor: () => LINE,
      paddingLeft: (i) => (i === 0 ? 0 : 5),
      paddingRight: () => 3,
      paddingTop: () => 3,
      paddingBottom: () => 3,
    },
  })
  return pdfmake
}

export const toPdf = async (model: ReportModel): Promise<Uint8Array> => {
  const pdfmake = await load()
  const tables = new Map(tablesOf(model).map((one) => [one.id, table(one)]))
  const charts = new Map<string, Content[]>(
    drawCharts(model, PAPER, 860, 'Roboto').map((chart) => [
      chart.id,
      [{ stack: [{ text: printable(chart.title), style: 'h2' }, { svg: chart.svg, width: PAGE_WIDTH }], unbreakable: chart.height < 1000, margin: [0, 0, 0, 14] }],
    ]),
  )
  const get = (map: ReadonlyMap<string, Content[]>, id: string): Content[] => map.get(id) ?? []
  const color = COLORS[model.verdict]
  const facts: Content[] = model.facts.length === 0 ? [] : list('The machine it ran on', model.facts.map(({ label, value }) => `${label}: ${value}`))
  const document = pdfmake.createPdf({
    pageSize: 'A4',
    pageMargins: [40, 44, 40, 48],
    info: { title: printable(`${model.title}: ${model.headline}`), creator: 'Agent Memory Center', producer: 'Agent Memory Center', creationDate: new Date(model.madeAtMs) },
    language: 'en',
    defaultStyle: { font: 'Roboto', fontSize: 9.5, color: INK, lineHeight: 1.2 },
    styles: { h2: { fontSize: 12, bold: true, margin: [0, 4, 0, 3] }, note: { color: INK_2, fontSize: 8.5, margin: [0, 0, 0, 2] }, th: { bold: true, color: INK_2, fontSize: 8 } },
    footer: (page, pages) => ({ text: printable(`Agent Memory Center · ${model.title} · made ${timeText(model.madeAtMs)} · page ${page} of ${pages}`), alignment: 'center', fontSize: 7.5, color: INK_2, margin: [40, 16, 40, 0] }),
    // A heading never stands alone at the foot of a page.
    pageBreakBefore: (node, query) => node.headlineLevel === 1 && query.getFollowingNodesOnPage().length === 0,
    content: [
      { text: 'Agent Memory Center', fontSize: 8.5, color: INK_2 },
      { text: printable(model.title), fontSize: 22, bold: true, lineHeight: 1.1 },
      { text: printable(model.subtitle), color: INK_2, margin: [0, 0, 0, 12] },
      {
        table: {
          widths: ['*'],
          body: [[{ stack: [
            { text: model.verdictWord, bold: true, color },
            { text: printable(model.headline), fontSize: 16, bold: true, margin: [0, 2, 0, 5] },
            ...[model.control, model.state].filter((text) => text !== '').map((text) => ({ text: printable(text), color: INK_2, margin: [0, 1, 0, 1] as [number, number, number, number] })),
          ] }]],
        },
        layout: { hLineWidth: () => 0, vLineWidth: (i: number) => (i === 0 ? 4 : 0), vLineColor: () => color, fillColor: () => '#f7f7f5', paddingLeft: () => 14, paddingRight: () => 12, paddingTop: () => 9, paddingBottom: () => 9 },
        margin: [0, 0, 0, 10],
      },
      ...model.warnings.map((text): Content => ({ text: printable(text), color: '#8a5a00', margin: [0, 0, 0, 4] })),
      { text: '', margin: [0, 0, 0, 6] },
      ...get(charts, 'kinds'),
      ...get(tables, 'kinds'),
      ...get(charts, 'machine'),
      ...get(tables, 'machine'),
      ...get(charts, 'agents'),
      ...get(tables, 'agents'),
      ...get(tables, 'suspended'),
      ...get(tables, 'findings'),
      ...get(tables, 'steps'),
      ...list('Asked for, but not done', model.skipped.map(({ what, reason }) => `${what}: ${reason}`)),
      ...list('Good to know', model.notes),
      ...get(tables, 'undo'),
      ...facts,
      ...list('How it was measured', [...model.measured, model.privacy.private ? 'Names of projects are included.' : 'Names of projects, folders and command lines are left out.', '1 GB is 1024 MB.']),
    ],
  })
  return new Uint8Array(await document.getBuffer())
}
