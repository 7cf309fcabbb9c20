import type { Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { Duplicate, Orphan } from '../../helper/contract/lifecycle.ts'
import { mayDo } from './ask.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { bytesOr, duration, note, out, outJson, printFailure, say, table } from './print.ts'

const printOrphans = (orphans: readonly Orphan[]): void => {
  out(table(
    ['PID', 'WHAT', 'COST', 'AGE', 'BELOW', 'WHY'],
    orphans.map((one) => [String(one.pid), one.label, bytesOr(one.costBytes), duration(one.ageMs), String(one.children.length), one.why]),
    [0, 2, 3, 4],
  ))
}

const printDuplicates = (duplicates: readonly Duplicate[]): void => {
  out(table(
    ['SERVER', 'RUNS', 'COST', 'COULD SAVE', 'PIDS'],
    duplicates.map((one) => [one.label, String(one.processes.length), bytesOr(one.costBytes), bytesOr(one.couldSaveBytes), one.processes.map(({ pid }) => pid).join(' ')]),
    [1, 2, 3],
  ))
  for (const { label, share } of duplicates) if (share.possible) say(`${label}: ${share.text}`, 2)
}

export const leftovers = (options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const found = await app.call('leftovers.get', {})
    if (!found.ok) return printFailure(found.error, options.json)
    const { orphans, duplicates } = found.value
    if (options.json) outJson('leftovers', found.value)
    else {
      if (orphans.length === 0) out('Nothing outlived its agent.')
      else {
        printOrphans(orphans)
        out('End them with: agentmemctl reap')
      }
      if (duplicates.length > 0) {
        out('')
        printDuplicates(duplicates)
      }
    }
    return EXIT.ok
  })

const chosenOf = (words: readonly string[], orphans: readonly Orphan[]): Result<readonly Orphan[]> => {
  if (words.length === 0) return ok(orphans)
  const chosen: Orphan[] = []
  for (const word of words) {
    const orphan = orphans.find((one) => String(one.pid) === word)
    if (orphan === undefined) return fail('process-gone', `${word} is no process that outlived its agent.`, { expected: orphans.length === 0 ? 'there is none' : orphans.map((one) => one.pid).join(', '), got: word, advice: 'Look at them: agentmemctl leftovers' })
    chosen.push(orphan)
  }
  return ok(chosen)
}

/** Ends what outlived its agent: all of it, or the processes named. Shows it first. */
export const reap = (words: readonly string[], options: { json: boolean; yes: boolean }): Promise<number> =>
  withApp(async (app) => {
    const found = await app.call('leftovers.get', {})
    if (!found.ok) return printFailure(found.error, options.json)
    const chosen = chosenOf(words, found.value.orphans)
    if (!chosen.ok) return printFailure(chosen.error, options.json)
    if (chosen.value.length === 0) {
      if (options.json) outJson('reaped', { ended: [], left: [] })
      else out('Nothing outlived its agent.')
      return EXIT.ok
    }
    if (!options.json) printOrphans(chosen.value)
    const may = await mayDo(chosen.value.length === 1 ? 'End it?' : `End these ${chosen.value.length}?`, options)
    if (!may.ok) return printFailure(may.error, options.json)
    if (!may.value) return EXIT.ok
    const answer = await app.call('leftovers.reap', { processes: chosen.value.slice(0, 512).map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })) })
    if (!answer.ok) return printFailure(answer.error, options.json)
    const { ended, left } = answer.value
    if (options.json) outJson('reaped', answer.value)
    else {
      out(`Ended ${ended.length} of ${chosen.value.length}.`)
      for (const one of left) note(`${one.pid} was left alone: ${one.reason}`)
    }
    return left.length === 0 ? EXIT.ok : EXIT.failed
  })
