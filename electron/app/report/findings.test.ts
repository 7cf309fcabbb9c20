import { expect, test } from 'vitest'
import type { Finding, Solution } from '../../contract/diagnosis.ts'
import type { ReportFormat } from '../../contract/views.ts'
import { openHistoryInMemory } from '../history/open.ts'
import { reportJsonSchema } from './json.ts'
import { createReports } from './reports.ts'
import { sampleRun } from './sample-run.ts'

const way: Solution = { id: 'a', title: 'Close web-shop', what: '', tradeOff: '', sideEffects: '', scope: '', undo: 'by-hand', undoWords: '', act: { how: 'advice' }, before: [] }
const finding = (rule: string, subject: string): Finding => ({
  rule, subject, severity: 'warning', topic: 'agents', title: `ghost-project holds ${subject}`, explanation: 'ghost-project in /home/mara/ghost is large.', lookDeeper: [],
  figures: [
    { what: 'Held', value: 3 * 1024 ** 3, unit: 'bytes', source: '/proc/meminfo AnonPages', threshold: null, history: null },
    { what: 'Program', value: 'ghost-project --key sk-secret-42', unit: 'text', source: '/proc/7/cmdline', threshold: null, history: null },
  ],
  solutions: [{ ...way }, { ...way, id: 'b' }],
})
const found = [finding('agents.idle', ''), finding('agents.one-large', '/user.slice/ghost-project.scope')]
const SECRETS = ['ghost', 'mara', 'sk-secret-42', 'web-shop']

const reportOf = async (format: ReportFormat, isPrivate: boolean, of: 'run' | 'comparison' = 'run', keep = true): Promise<string> => {
  const history = openHistoryInMemory({ code: 'internal', message: 'test' })
  const record = sampleRun()
  history.writer.finishRun(record)
  const atMs = record.after?.takenAtMs ?? 0
  if (keep) history.writer.addFindings(atMs, of === 'run' ? record.id : null, found)
  const [to, , from] = history.reader.snapshots(3)
  const subject = of === 'run' ? { of, runId: record.id } : { of, fromId: from?.id ?? 0, toId: to?.id ?? 0 }
  const file = await createReports({ history, ruleTitle: (rule) => (rule === 'agents.idle' ? 'Idle agents hold memory' : null) }).make({ subject, format, private: isPrivate })
  history.close()
  if (!file.ok) throw new Error(file.error.message)
  return Buffer.from(file.value.base64, 'base64').toString('utf8')
}
const TEXTS = ['html', 'md', 'csv', 'json'] as const

test.each(TEXTS)('%s says what was found when the run was measured, and names nobody unless asked to', async (format) => {
  const text = (await reportOf(format, false)).replaceAll('\\', '')
  expect(text).toContain('Idle agents hold memory')
  expect(text).toContain('Held: 3.0 GB (/proc/meminfo AnonPages)')
  expect(text).toContain('agents.one-large')
  expect(SECRETS.filter((secret) => text.includes(secret))).toEqual([])
  const whole = (await reportOf(format, true)).replaceAll('\\', '')
  expect(whole).toContain('ghost-project in /home/mara/ghost is large.')
})

test('a PDF is made with them', async () => {
  expect((await reportOf('pdf', true)).startsWith('%PDF')).toBe(true)
})

test('a comparison has those of the later moment', async () => {
  const { findings } = reportJsonSchema.parse(JSON.parse(await reportOf('json', false, 'comparison')))
  expect(findings?.rows.map(({ rule, evidence }) => [rule, evidence])).toEqual([
    ['agents.idle', ['Held: 3.0 GB (/proc/meminfo AnonPages)']],
    ['agents.one-large', ['3.0 GB']],
  ])
})

test('where nobody looked at that time nothing is said', async () => {
  expect(reportJsonSchema.parse(JSON.parse(await reportOf('json', true, 'run', false))).findings).toBeNull()
  expect(await reportOf('md', true, 'run', false)).not.toContain('What was found about memory')
})
