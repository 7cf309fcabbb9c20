import { readFileSync, writeFileSync } from 'node:fs'
import { fail } from '../../../helper/contract/result.ts'
import type { JournalEntry } from '../../contract/diagnosis.ts'
import { amount } from '../../app/amounts.ts'
import { messageOf } from '../../app/files.ts'
import { EXIT } from '../exit-codes.ts'
import { withApp } from '../open-app.ts'
import { paint } from '../paint.ts'
import { note, out, outJson, printFailure, say } from '../print.ts'

const when = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' })

export const printEntry = (entry: JournalEntry): void => {
  const gain = entry.gainBytes.value === null ? '' : ` ${amount(entry.gainBytes.value)}`
  out(`${paint('dim', String(entry.id).padStart(5))}  ${when.format(entry.atMs)}  ${paint('bold', entry.title)}  ${entry.kind}${entry.outcome === null ? '' : `: ${entry.outcome}${gain}`}`)
  const [line = ''] = entry.text.split('\n')
  if (line !== '') say(`       ${line}`, 7)
  if (entry.note !== '' && entry.kind !== 'note') say(`       Note: ${entry.note}`, 7)
}

/** What was found, tried and came of it; words are searched for in all of it. */
export const searchJournal = (words: readonly string[], options: { json: boolean; limit: number }): Promise<number> =>
  withApp(async (app) => {
    const answer = await app.call('journal.search', { text: words.join(' '), limit: Math.min(options.limit, 1000), beforeId: null })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('journal', answer.value)
    else if (answer.value.entries.length === 0) out(words.length === 0 ? 'The journal is empty: it fills with what memory-diagnose finds and with what is tried.' : 'Nothing in the journal has these words.')
    else {
      for (const entry of answer.value.entries) printEntry(entry)
      if (answer.value.more) note('There is more: --limit')
    }
    return EXIT.ok
  })

export const addNote = (words: readonly string[], options: { json: boolean; entry?: number }): Promise<number> =>
  withApp(async (app) => {
    const answer = await app.call('journal.note', { id: options.entry ?? null, note: words.join(' ') })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('journal-entry', answer.value)
    else printEntry(answer.value)
    return EXIT.ok
  })

export const exportJournal = (options: { output?: string }): Promise<number> =>
  withApp(async (app) => {
    const answer = await app.call('journal.export', {})
    if (!answer.ok) return printFailure(answer.error, false)
    if (options.output === '-') {
      process.stdout.write(answer.value.text)
      return EXIT.ok
    }
    const path = options.output ?? answer.value.fileName
    try {
      writeFileSync(path, answer.value.text, { flag: options.output === undefined ? 'wx' : 'w', mode: 0o600 })
    } catch (error) {
      note(`agentmemctl: ${path} could not be written: ${messageOf(error)}`)
      return EXIT.failed
    }
    note(`Written to ${path}`)
    return EXIT.ok
  })

export const importJournal = (path: string, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    let text: string
    try {
      text = readFileSync(path === '-' ? 0 : path, 'utf8')
    } catch (error) {
      return printFailure(fail('bad-request', `${path} cannot be read: ${messageOf(error)}`, { about: path }).error, options.json)
    }
    const answer = await app.call('journal.import', { text })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('journal-import', answer.value)
    else out(`${answer.value.added} added, ${answer.value.known} known already.`)
    return EXIT.ok
  })
