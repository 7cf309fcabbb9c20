import { create } from 'zustand'
import type { Diagnosis } from '../../electron/contract/diagnosis.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import { call, isConnectionFailure, on } from '../api.ts'

/** What is found now: for its page, and for the count beside its name on every page. */
interface DiagnosisStore {
  data: Diagnosis | null
  error: Failure | null
  looking: boolean
}

/** After the figures of the first page: nobody waits for this one. */
const FIRST_MS = 2_500

export const useDiagnosis = create<DiagnosisStore>()(() => ({ data: null, error: null, looking: false }))

/** Findings that ask for something; mere information does not. */
export const problemsOf = ({ findings }: Pick<Diagnosis, 'findings'>): number => findings.filter(({ severity }) => severity !== 'information').length

export const look = async (): Promise<void> => {
  if (useDiagnosis.getState().looking) return
  useDiagnosis.setState({ looking: true })
  const answer = await call('diagnosis.get', { leaks: false })
  useDiagnosis.setState((old) => (answer.ok ? { data: answer.value, error: null, looking: false } : { error: isConnectionFailure(answer.error.about) ? old.error : answer.error, looking: false }))
}

export const startDiagnosis = (): void => {
  setTimeout(() => void look(), FIRST_MS)
  // The journal orders solutions: what came of one changes what is advised.
  on('changed', ({ what }) => {
    if ((what === 'diagnosis' || what === 'journal') && useDiagnosis.getState().data !== null) void look()
  })
}
