import type { Result } from '../../../helper/contract/errors.ts'
import { ok } from '../../../helper/contract/result.ts'
import type { ReportFormat } from '../../contract/views.ts'
import { buildModel, type ReportModel } from './model.ts'
import type { ReportSubject } from './subject.ts'

export interface ReportRequest {
  subject: ReportSubject
  format: ReportFormat
  /** Names of projects, labels of snapshots, paths and processes: left out unless true. */
  private: boolean
  /** When the report is made; for tests. */
  nowMs?: number
}

export interface ReportFile {
  fileName: string
  mediaType: string
  bytes: Uint8Array
}

const MEDIA_TYPES: Record<ReportFormat, string> = {
  html: 'text/html;charset=utf-8',
  pdf: 'application/pdf',
  csv: 'text/csv;charset=utf-8',
  json: 'application/json',
  md: 'text/markdown;charset=utf-8',
}

/** The parts are loaded when first needed: charts and PDF are large, and the app must start fast. */
const RENDER: Record<ReportFormat, (model: ReportModel) => Promise<string | Uint8Array>> = {
  html: async (model) => (await import('./html.ts')).toHtml(model),
  pdf: async (model) => (await import('./pdf.ts')).toPdf(model),
  csv: async (model) => (await import('./csv.ts')).toCsv(model),
  json: async (model) => (await import('./json.ts')).toJson(model),
  md: async (model) => (await import('./markdown.ts')).toMarkdown(model),
}

/** "agentmem-more-agents-20261120-140312.html": from what is known to be safe in a file name. */
const fileNameOf = (subject: ReportSubject, format: ReportFormat): string => {
  const [what, atMs] = subject.kind === 'run' ? [subject.record.presetId, subject.record.startedAtMs] : ['comparison', subject.to.takenAtMs]
  const stamp = new Date(atMs).toISOString().slice(0, 19).replaceAll(/[-:]/gu, '').replace('T', '-')
  return `agentmem-${what.replaceAll(/[^a-z0-9-]/gu, '')}-${stamp}.${format}`
}

/**
 * A report of a run or of two moments, as one file. Every figure comes from
 * the subject's delta.
 */
export const makeReport = async (request: ReportRequest): Promise<Result<ReportFile>> => {
  const model = buildModel(request.subject, request.private, request.nowMs ?? Date.now())
  const text = await RENDER[request.format](model)
  return ok({ fileName: fileNameOf(request.subject, request.format), mediaType: MEDIA_TYPES[request.format], bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text })
}
