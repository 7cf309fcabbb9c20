import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Agent, AgentState } from '../../../helper/contract/agents.ts'
import { snapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { ReportFormat } from '../../contract/views.ts'
import { openHistoryInMemory } from '../history/open.ts'
import { sampleEvent, sampleResumed, sampleSuspension } from '../lifecycle/sample.ts'
import { CSV_COLUMNS, safeCell } from './csv.ts'
import { escapeMarkdown } from './markdown.ts'
import { bytesText } from './format.ts'
import { reportJsonSchema } from './json.ts'
import { makeReport } from './make-report.ts'
import { createReports } from './reports.ts'
import { sampleDelta, sampleRun, type SampleKind } from './sample-run.ts'
import { factsOf, type ReportSubject } from './subject.ts'
import { suspendedBetween } from './suspended.ts'

const FORMATS: readonly ReportFormat[] = ['html', 'pdf', 'csv', 'json', 'md']
const TEXTS = FORMATS.filter((format) => format !== 'pdf')

const subjectOf = (kind: SampleKind): ReportSubject => {
  const record = sampleRun(kind)
  const { before: _before, after, ...rest } = record
  return { kind: 'run', record: rest, delta: sampleDelta(record), facts: after === null ? null : factsOf(after) }
}

const bytesOf = async (subject: ReportSubject, format: ReportFormat, isPrivate = false): Promise<Uint8Array> => {
  const file = await makeReport({ subject, format, private: isPrivate, nowMs: 0 })
  if (!file.ok) throw new Error(file.error.message)
  return file.value.bytes
}
const textOf = async (...args: Parameters<typeof bytesOf>): Promise<string> => new TextDecoder('utf-8', { ignoreBOM: true }).decode(await bytesOf(...args))

/** Text of a PDF by poppler; null where it is not installed. */
const pdfText = (bytes: Uint8Array): string | null => {
  if (spawnSync('pdftotext', ['-v']).error !== undefined) return null
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-pdf-'))
  try {
    writeFileSync(join(folder, 'a.pdf'), bytes)
    return execFileSync('pdftotext', ['-layout', join(folder, 'a.pdf'), '-'], { encoding: 'utf8' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Everything private that the sample holds; "docs-site" and the rest are folder names. */
const PRIVATE = ['web-shop', 'billing', 'onerror', 'docs-site', 'HYPERLINK', 'ml-notebooks', 'ledger', 'compiler', 'infra', 'mobile', 'scratch', '/home/', 'mara', 'sk-secret-42', 'api-key', 'gopls', 'filesystem MCP']

/** The sample with private things in every text that a helper or kernel can fill. */
const leaky = (): ReportSubject => {
  const subject = subjectOf('undone')
  if (subject.kind !== 'run') throw new Error('a run was asked for')
  const { record } = subject
  return {
    ...subject,
    record: {
      ...record,
      error: { code: 'internal', message: 'Could not read /home/mara/work/web-shop/.agent of web-shop', advice: 'Look at ~/work/billing' },
      plan: {
        ...record.plan,
        notes: ['The agent in web-shop holds a lock in /home/mara/work/ledger.'],
        skipped: [{ source: 'reclaim', what: 'Claude Code · billing', reason: 'cwd is /home/mara/work/billing', kind: 'not-needed' }],
        steps: record.plan.steps.map((step) => ({ ...step, why: `${step.why} (compiler)`, undo: `${step.undo}, swap at /home/mara/swap` })),
      },
      steps: record.steps.map((step) => ({ ...step, readBack: `${step.readBack ?? ''} of scratch`, error: { code: 'internal', message: 'x', advice: '/srv/private/mara' } })),
      undo: record.undo.map((line) => ({ ...line, reason: 'held by ml-notebooks at /home/mara' })),
    },
  }
}

describe('private data', () => {
  test.each(TEXTS)('%s leaves names, folders and processes out', async (format) => {
    const text = await textOf(leaky(), format)
    expect(PRIVATE.filter((secret) => text.includes(secret))).toEqual([])
    expect(text).toContain('Claude Code 1')
    expect(text).toContain('Gemini CLI 4')
    expect(text).toContain('/sys/kernel/mm/ksm/run')
  })

  test('pdf leaves them out too', async (context) => {
    const text = pdfText(await bytesOf(leaky(), 'pdf'))
    if (text === null) context.skip('pdftotext (poppler-utils) is not installed')
    expect(PRIVATE.filter((secret) => text?.includes(secret))).toEqual([])
    expect(text).toContain('Claude Code 1')
  })

  test.each(TEXTS)('%s has the names where they are asked for', async (format) => {
    expect(await textOf(subjectOf('gain'), format, true)).toContain('ml')
    expect(await textOf(subjectOf('gain'), format, true)).toContain('infra')
  })

  test('command lines are in no report at all, and ids of agents in no public one', async () => {
    expect(await textOf(subjectOf('gain'), 'json', true)).not.toContain('sk-secret-42')
    expect(await textOf(subjectOf('gain'), 'json')).not.toContain('3f2a9c1e-7b44')
  })

  test('an agent called like a word of our own does not tear sentences', async () => {
    const subject = subjectOf('gain')
    if (subject.delta === null) throw new Error('the sample has a delta')
    const [one, ...rest] = subject.delta.agents
    if (one === undefined) throw new Error('the sample has agents')
    const json = await textOf({ ...subject, delta: { ...subject.delta, agents: [{ ...one, name: 'a' }, ...rest.map((agent, i) => ({ ...agent, name: i === 0 ? 'ksm' : '1000' }))] } }, 'json')
    expect(json).toContain('Equal pages of agents are found within two minutes.')
    expect(json).toContain('/sys/kernel/mm/ksm/run')
    expect(json).toContain('"new": "1000"')
  })
})

describe('what it says', () => {
  test.each(TEXTS)('%s has the gain and the noise of the delta and nothing else', async (format) => {
    const { delta } = subjectOf('gain')
    const text = await textOf(subjectOf('gain'), format)
    if (delta === null) throw new Error('the sample has a delta')
    expect(text).toContain(format === 'csv' || format === 'json' ? String(delta.total.gainBytes) : bytesText(delta.total.gainBytes).split(' ')[0])
    expect(text).toMatch(/won from 9 agents, \d+ % of what they would cost otherwise/u)
  })

  test('within the noise is said first', async () => {
    expect(sampleDelta(sampleRun('within-noise')).total.verdict).toBe('within-noise')
    const html = await textOf(subjectOf('within-noise'), 'html')
    expect(html).toContain('<span class="badge">Within the noise</span>')
    expect(html).toContain('No difference that can be told from noise')
    expect(html).not.toContain('won from')
  })

  test('the control is explained, and the kind without one is named', async () => {
    expect(await textOf(subjectOf('gain'), 'md')).toMatch(/2 agents were left alone as a control\. opencode had none/u)
  })

  test('steps have old, new and read-back value, and what was undone has its outcome', async () => {
    const md = await textOf(subjectOf('undone'), 'md')
    expect(md).toContain('| 1 | compressed swap | /dev/zram0 | – | zstd, 16.0 GB | lzo-rle (zstd was refused), 16.0 GB | done |')
    expect(md).toContain('| /sys/kernel/mm/ksm/pages\\_to\\_scan | 100 | 400 | left alone | somebody else changed it since |')
  })

  test('a run that was never measured is a report without figures', async () => {
    const subject: ReportSubject = { ...subjectOf('gain'), delta: null } as ReportSubject
    for (const format of TEXTS) expect(await textOf(subject, format)).toMatch(format === 'csv' ? /^\ufeffsection,/u : /never measured/u)
    expect((await bytesOf(subject, 'pdf')).length).toBeGreaterThan(1000)
  })

  test('sides that cannot be compared have no verdict and say why', async () => {
    const { before, after } = sampleRun()
    const [first] = before
    if (first === undefined || after === null) throw new Error('the sample has both sides')
    const delta = snapshotDelta({ before: [first], after: { ...after, privileged: false }, treated: [], control: [] })
    const side = { id: 1, label: 'secret client', origin: 'manual' as const, runId: null, agents: 1, agentsCostBytes: 1, availableBytes: 1, takenAtMs: 0 }
    const html = await textOf({ kind: 'comparison', from: side, to: { ...side, id: 2 }, delta }, 'html')
    expect(html).toContain('Nothing to compare')
    expect(html).toContain('root privileges')
    expect(html).not.toContain('secret client')
  })
})

describe('formats', () => {
  test('html is one file: no script, nothing from elsewhere, nothing of a name is markup', async () => {
    const html = await textOf(subjectOf('gain'), 'html', true)
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;')
    expect(html).not.toMatch(/<(?:script|img|link|iframe|object|image)\b/iu)
    expect(html).not.toMatch(/\s(?:src|href|xlink:href)=["'](?!#)/iu)
    expect(html).not.toMatch(/url\((?!["']?#)|@import/iu)
    expect(html.match(/<svg /gu)).toHaveLength(6) // three charts, each for a wide and a narrow window
    expect(html).toContain('prefers-color-scheme: dark')
    expect(html).toContain('@media print')
  })

  test('pdf is a paginated pdf that a reader can read', async (context) => {
    const bytes = await bytesOf(subjectOf('gain'), 'pdf', true)
    const raw = Buffer.from(bytes).toString('latin1')
    expect(raw.startsWith('%PDF-')).toBe(true)
    expect(raw.trimEnd().endsWith('%%EOF')).toBe(true)
    expect(raw).toContain('/BaseFont')
    const text = pdfText(bytes)
    if (text === null) context.skip('pdftotext (poppler-utils) is not installed')
    expect(text).toContain('<img src=x onerror=alert(1)> (Claude Code)')
    expect(text).toMatch(/page 1 of [2-9]/u)
  })

  test('csv starts with its columns, keeps numbers numbers and disarms formulas', async () => {
    const csv = await textOf(subjectOf('gain'), 'csv', true)
    expect(csv.startsWith(`\ufeff${CSV_COLUMNS.join(',')}\r\n`)).toBe(true)
    expect(csv).toContain(`"'=HYPERLINK(""http://evil.example"") (Gemini CLI)"`)
    expect(csv).toMatch(/^agent,infra \(Claude Code\),treated,1,\d+,\d+,-\d+,-\d+(?:\.\d)?,,,\d+,\d+,,,,,\r$/mu)
    const dangerous = ['=1', '+1', '-1', '@x', '\t=1', ' =1', '\u200b=1', '＝1', '|x', '\r=1']
    expect(dangerous.map(safeCell)).toEqual(dangerous.map((text) => `'${text}`))
    expect([safeCell(-5), safeCell(null), safeCell('a=1'), safeCell(0)]).toEqual(['-5', '', 'a=1', '0'])
  })

  test.each([false, true])('json fits its schema (private: %s)', async (isPrivate) => {
    const report = reportJsonSchema.parse(JSON.parse(await textOf(subjectOf('undone'), 'json', isPrivate)))
    expect(report.delta?.total).toEqual(subjectOf('undone').delta?.total)
    expect(report.delta?.agents.every((agent) => (agent.processes === undefined) === !isPrivate)).toBe(true)
    expect(report.subject).toMatchObject({ kind: 'run', state: 'partly-undone', undoCause: 'user-undo' })
  })

  test('markdown keeps names from becoming markup, cells or links', async () => {
    expect(escapeMarkdown('a|b\n# <b> [x](http://y) `c` *d*')).toBe('a\\|b \\# \\<b\\> \\[x\\](http\u200b://y) \\`c\\` \\*d\\*')
    const md = await textOf(subjectOf('gain'), 'md', true)
    const heads = md.split('\n').filter((line) => line.startsWith('| Agent'))
    const rows = md.split('\n').filter((line) => line.includes('(Claude Code)'))
    expect(rows.map((row) => row.split(/(?<!\\)\|/u).length)).toEqual(rows.map(() => heads[0]?.split('|').length))
  })

  test('a name no font has and a name without an end still make a pdf', async () => {
    const subject = subjectOf('gain')
    if (subject.delta === null) throw new Error('the sample has a delta')
    const agents = subject.delta.agents.map((agent, i) => ({ ...agent, name: i === 0 ? '日本語 🦊 عربى' : 'x'.repeat(400) }))
    const text = pdfText(await bytesOf({ ...subject, delta: { ...subject.delta, agents } }, 'pdf', true))
    expect(text === null || text.includes('page 1 of')).toBe(true)
  })

  test.each([
    ['html', 'text/html;charset=utf-8'],
    ['pdf', 'application/pdf'],
    ['csv', 'text/csv;charset=utf-8'],
    ['json', 'application/json'],
    ['md', 'text/markdown;charset=utf-8'],
  ] as const)('%s has its name and type', async (format, mediaType) => {
    const file = await makeReport({ subject: subjectOf('gain'), format, private: false })
    expect(file).toMatchObject({ ok: true, value: { fileName: `agentmem-more-agents-20261120-140312.${format}`, mediaType } })
  })
})

describe('suspended agents', () => {
  const record = sampleRun()
  const [before] = record.before
  if (before === undefined || record.after === null) throw new Error('the sample has both sides')
  const [first, second] = before.agents
  if (first === undefined || second === undefined) throw new Error('the sample has agents')
  const fromMs = before.takenAtMs
  const at = (seq: number, agent: Agent, atMs: number, from: AgentState, to: AgentState) => sampleEvent(seq, agent, { atMs, transition: { atMs, from, to, cause: 'user', text: '' } })
  const lines = [
    at(1, first, fromMs - 5_000, 'active', 'idle'),
    { ...at(2, first, fromMs + 1_000, 'idle', 'suspended'), suspension: sampleSuspension(first, { sinceMs: fromMs + 1_000 }) },
    { ...at(3, second, fromMs - 60_000, 'idle', 'suspended'), suspension: sampleSuspension(second, { sinceMs: fromMs - 60_000 }) },
    { ...at(4, second, fromMs + 4_000, 'suspended', 'active'), resumed: sampleResumed(second, { suspendedForMs: 64_000 }) },
    { ...at(5, first, record.after.takenAtMs + 1_000, 'suspended', 'active'), resumed: sampleResumed(first, { suspendedForMs: record.after.takenAtMs - fromMs }) },
  ]
  const reportOf = async (format: ReportFormat, isPrivate: boolean): Promise<string> => {
    const history = openHistoryInMemory({ code: 'internal', message: 'test' })
    const after = record.after
    if (after === null) throw new Error('the sample has an after-snapshot')
    history.writer.addSnapshot(before, 'one', 'manual', null)
    history.writer.addSnapshot(after, 'two', 'manual', null)
    history.writer.takeLifecycle('a', lines, 5)
    const file = await createReports({ history }).make({ subject: { of: 'comparison', fromId: 1, toId: 2 }, format, private: isPrivate })
    history.close()
    if (!file.ok) throw new Error(file.error.message)
    return Buffer.from(file.value.base64, 'base64').toString('utf8')
  }

  test('a comparison has their states on both sides, for how long, and what it won', async () => {
    const json = reportJsonSchema.parse(JSON.parse(await reportOf('json', false)))
    expect(json.suspended).toEqual([
      { label: expect.stringMatching(/^Claude Code \d$/u), before: 'suspended', after: 'active', times: 1, suspendedMs: 4_000, wonBytes: sampleSuspension(second).wonBytes, wokenBy: 'a key was typed' },
      { label: expect.stringMatching(/^Claude Code \d$/u), before: 'idle', after: 'suspended', times: 1, suspendedMs: (record.after?.takenAtMs ?? 0) - fromMs - 1_000, wonBytes: sampleSuspension(first).wonBytes, wokenBy: '' },
    ])
    expect(json.warnings).toContain('2 agents were suspended or resumed between the two sides: part of the difference comes from that.')
  })

  test.each(TEXTS)('%s shows them, by name only where names are asked for', async (format) => {
    const text = await reportOf(format, false)
    expect(text).toMatch(format === 'csv' ? /^suspended,Claude Code \d,/mu : /Suspended agents|"suspended"/u)
    expect(PRIVATE.filter((secret) => text.includes(secret))).toEqual([])
    expect(await reportOf(format, true)).toContain('web-shop')
  })

  test('one that only slept before or after is not in it', async () => {
    const history = openHistoryInMemory({ code: 'internal', message: 'test' })
    history.writer.takeLifecycle('a', lines, 5)
    expect(suspendedBetween(history.reader, fromMs - 90_000, fromMs - 70_000)).toEqual([])
    expect(suspendedBetween(history.reader, fromMs + 4_500, fromMs + 5_000).map((fact) => fact.agentId)).toEqual([first.id])
    history.close()
  })
})

describe('from history', () => {
  test('a stored run and a comparison become files; what is gone is said', async () => {
    const history = openHistoryInMemory({ code: 'internal', message: 'test' })
    history.writer.finishRun(sampleRun())
    const reports = createReports({ history })
    const run = await reports.make({ subject: { of: 'run', runId: sampleRun().id }, format: 'html', private: false })
    const html = run.ok ? Buffer.from(run.value.base64, 'base64').toString('utf8') : ''
    expect(html).toContain('won from 9 agents')
    expect(html).toContain('root, by the helper')
    const [after, , before] = history.reader.snapshots(3)
    const comparison = await reports.make({ subject: { of: 'comparison', fromId: before?.id ?? 0, toId: after?.id ?? 0 }, format: 'md', private: false })
    expect(comparison.ok && Buffer.from(comparison.value.base64, 'base64').toString('utf8')).toMatch(/12 agents cost .* less than before/u)
    expect(await reports.make({ subject: { of: 'run', runId: '20261120T140312Z-00000000' }, format: 'md', private: false })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
    expect(await reports.make({ subject: { of: 'comparison', fromId: 404, toId: 405 }, format: 'md', private: false })).toMatchObject({ ok: false, error: { code: 'bad-request', about: '404' } })
    history.close()
  })
})
