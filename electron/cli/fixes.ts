import type { Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { FileChange, Fix } from '../../helper/contract/lifecycle.ts'
import type { App } from '../app/app.ts'
import { mayDo } from './ask.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { bytesOr, note, out, outJson, printFailure, say, table } from './print.ts'
import { textDiff } from './text-diff.ts'

const printFixes = (fixes: readonly Fix[]): void => {
  out(table(['ID', 'KIND', 'STATE', 'SAVES', 'WHAT'], fixes.map((fix) => [fix.id, fix.kind, fix.state, bytesOr(fix.savesBytes), fix.title]), [3]))
  for (const { id, problem } of fixes) if (problem !== null) note(`${id}: ${problem}`)
}

export const fixes = (options: { json: boolean; kind?: Fix['kind'] }): Promise<number> =>
  withApp(async (app) => {
    const found = await app.call('fixes.get', {})
    if (!found.ok) return printFailure(found.error, options.json)
    const listed = options.kind === undefined ? found.value.fixes : found.value.fixes.filter((fix) => fix.kind === options.kind)
    if (options.json) outJson('fixes', { fixes: listed })
    else if (listed.length === 0) out(options.kind === 'hooks' ? 'No agent with hooks was found.' : 'No known waste was found.')
    else {
      printFixes(listed)
      if (listed.some((fix) => fix.state === 'offered')) out('See what one would write, and apply it, with: agentmemctl fix ID')
    }
    return EXIT.ok
  })

const printChanges = (changes: readonly FileChange[]): void => {
  for (const { path, before, after } of changes) {
    out(before === null ? `${path} (new)` : after === null ? `${path} (is removed)` : path)
    for (const line of textDiff(before ?? '', after ?? '')) out(`  ${line}`)
  }
  if (changes.length === 0) out('No file is written.')
}

const chosenOf = async (app: App, ids: readonly string[], kind: Fix['kind'] | undefined, wanted: readonly Fix['state'][]): Promise<Result<readonly Fix[]>> => {
  const found = await app.call('fixes.get', {})
  if (!found.ok) return found
  const known = kind === undefined ? found.value.fixes : found.value.fixes.filter((fix) => fix.kind === kind)
  if (ids.length === 0) return ok(known.filter((fix) => wanted.includes(fix.state)))
  const chosen: Fix[] = []
  for (const id of ids) {
    const fix = known.find((one) => one.id === id)
    if (fix === undefined) return fail('bad-request', `There is no fix "${id}".`, { expected: known.length === 0 ? 'there is none' : known.map((one) => one.id).join(', '), got: id, advice: `Look at them: agentmemctl ${kind === 'hooks' ? 'hooks' : 'fixes'}` })
    chosen.push(fix)
  }
  return ok(chosen)
}

export interface FixOptions {
  json: boolean
  yes: boolean
  /** Only fixes of this kind are meant, and with no id all of it. */
  kind?: Fix['kind']
}

const cannot: Partial<Record<Fix['state'], string>> = { applied: 'is applied already', 'not-possible': 'is not possible here' }

/** Shows what each would write, asks once, and writes it. */
export const applyFixes = (ids: readonly string[], options: FixOptions): Promise<number> =>
  withApp(async (app) => {
    const chosen = await chosenOf(app, ids, options.kind, ['offered'])
    if (!chosen.ok) return printFailure(chosen.error, options.json)
    for (const fix of chosen.value) {
      const why = cannot[fix.state]
      if (why !== undefined) return printFailure({ code: fix.state === 'applied' ? 'bad-request' : 'not-supported', message: `"${fix.id}" ${why}.`, ...(fix.problem === null ? {} : { got: fix.problem }), about: fix.id, advice: 'Look at them: agentmemctl fixes' }, options.json)
    }
    if (chosen.value.length === 0) {
      if (options.json) outJson('fixes', { fixes: [] })
      else out('There is nothing to apply.')
      return EXIT.ok
    }
    if (!options.json) {
      for (const fix of chosen.value) {
        out(`${fix.id}: ${fix.title}`)
        say(fix.text, 0)
        printChanges(fix.changes)
      }
    }
    const may = await mayDo('Write this?', options)
    if (!may.ok) return printFailure(may.error, options.json)
    if (!may.value) return EXIT.ok
    const applied: Fix[] = []
    for (const fix of chosen.value) {
      const answer = await app.call('fixes.apply', { id: fix.id, digest: fix.digest })
      if (!answer.ok) return printFailure(answer.error, options.json)
      applied.push(answer.value)
      if (!options.json) out(`${fix.id}: ${answer.value.state}. Take it back with: agentmemctl ${options.kind === 'hooks' ? 'hooks remove' : 'unfix'} ${fix.id}`)
    }
    if (options.json) outJson('fixes', { fixes: applied })
    return EXIT.ok
  })

/** Takes back what was written, and shows it; undoing needs no question. */
export const undoFixes = (ids: readonly string[], options: Omit<FixOptions, 'yes'>): Promise<number> =>
  withApp(async (app) => {
    const chosen = await chosenOf(app, ids, options.kind, ['applied', 'changed-since'])
    if (!chosen.ok) return printFailure(chosen.error, options.json)
    const undone: Fix[] = []
    for (const fix of chosen.value) {
      const answer = await app.call('fixes.undo', { id: fix.id })
      if (!answer.ok) return printFailure(answer.error, options.json)
      undone.push(answer.value)
      if (options.json) continue
      printChanges(fix.undo)
      out(`${fix.id}: taken back.`)
      if (answer.value.problem !== null) note(answer.value.problem)
    }
    if (options.json) outJson('fixes', { fixes: undone })
    else if (undone.length === 0) out('There is nothing to take back.')
    return EXIT.ok
  })
