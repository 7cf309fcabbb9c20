import { EXIT } from '../exit-codes.ts'
import { withApp } from '../open-app.ts'
import { outJson, printFailure } from '../print.ts'
import { printEntry } from './journal.ts'

export interface DidOptions {
  json: boolean
  subject: string
  outcome: 'kept' | 'no-gain' | 'undone'
}

/** Something advised was done by hand: the next advice says so. */
export const didByHand = (rule: string, solution: string, words: readonly string[], { json, subject, outcome }: DidOptions): Promise<number> =>
  withApp(async (app) => {
    const answer = await app.call('journal.did', { rule, subject, solution, outcome, note: words.join(' ') })
    if (!answer.ok) return printFailure(answer.error, json)
    if (json) outJson('journal-entry', answer.value)
    else printEntry(answer.value)
    return EXIT.ok
  })
