import type { Answer, CallName, Request } from '../../contract/channels.ts'
import type { diagnosisChannels, journalChannels } from '../../contract/diagnosis-channels.ts'
import type { Diagnose } from '../diagnose/diagnose.ts'
import type { Journal } from '../journal/journal.ts'
import { processFigures, type ProcessFiguresDeps } from '../sampling/process-figures.ts'

type Name = Extract<CallName, keyof typeof diagnosisChannels | keyof typeof journalChannels>

/** What is found and the journal of it; each is its use-case, word for word. */
export const diagnosisHandlers = ({ diagnose, journal, ...deps }: { readonly diagnose: Diagnose; readonly journal: Journal } & ProcessFiguresDeps): { readonly [K in Name]: (request: Request<K>) => Promise<Answer<K>> } => ({
  'diagnosis.get': async (request) => diagnose.get(request),
  'diagnosis.of-run': async ({ runId }) => diagnose.ofRun(runId),
  'diagnosis.try': async (request) => diagnose.try(request),
  'processes.get': async (request) => processFigures(deps, request),
  'journal.search': async (request) => journal.search(request),
  'journal.totals': async () => journal.totals(),
  'journal.note': async (request) => journal.note(request),
  'journal.did': async (request) => journal.did(request),
  'journal.export': async () => journal.export(),
  'journal.import': async (request) => journal.import(request),
})
