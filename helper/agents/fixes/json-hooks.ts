import { applyEdits, modify, parse, printParseErrorCode, type ParseError } from 'jsonc-parser'
import { basename } from 'node:path'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'

/** One event of an agent's settings and the words our hook program gets for it. */
export interface HookEvent {
  readonly event: string
  readonly words: readonly string[]
  /** For events that ask for one: which tools. */
  readonly matcher?: string
}

const FORMAT = { formattingOptions: { insertSpaces: true, tabSize: 2 } }

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The settings as an object; a file that is no JSON is never touched. */
const settingsOf = (path: string, text: string): Result<Record<string, unknown>> => {
  const errors: ParseError[] = []
  const value: unknown = parse(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (first !== undefined || !isRecord(value)) {
    return fail('not-supported', `${path} is not valid JSON, so it is left alone.`, {
      about: path,
      expected: 'an object in JSON',
      got: first === undefined ? typeof value : `${printParseErrorCode(first.error)} at character ${first.offset}`,
      advice: 'Mend the file, then try again.',
    })
  }
  return ok(value)
}

/** As a shell takes it. */
const commandLine = (program: string, words: readonly string[]): string =>
  [program, ...words].map((word) => (/^[\w./+:@-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)).join(' ')

/** Ours, wherever it was installed at the time: a command whose program has our name. */
const isOurs = (program: string, group: unknown): boolean =>
  isRecord(group) && Array.isArray(group['hooks']) && group['hooks'].length > 0 && group['hooks'].every((hook: unknown) => {
    const command = isRecord(hook) ? hook['command'] : undefined
    return typeof command === 'string' && basename(command.split(' ')[0]?.replaceAll("'", '') ?? '') === basename(program)
  })

const groupsOf = (settings: Record<string, unknown>, event: string): unknown[] => {
  const hooks = settings['hooks']
  const groups = isRecord(hooks) ? hooks[event] : undefined
  return Array.isArray(groups) ? groups : []
}

/** Settings with our groups for each event behind whatever else is there; older ones of ours go. */
export const withHooks = (path: string, text: string | null, program: string, events: readonly HookEvent[], more: Record<string, unknown> = {}): Result<string> => {
  let now = text === null || text.trim() === '' ? '{}\n' : text
  for (const event of new Set(events.map((one) => one.event))) {
    const settings = settingsOf(path, now)
    if (!settings.ok) return settings
    const wanted = events.filter((one) => one.event === event).map(({ words, matcher }) => ({ ...(matcher === undefined ? {} : { matcher }), hooks: [{ type: 'command', command: commandLine(program, words), ...more }] }))
    const groups = groupsOf(settings.value, event)
    const ours = groups.flatMap((group, at) => (isOurs(program, group) ? [at] : []))
    if (JSON.stringify(ours.map((at) => groups[at])) === JSON.stringify(wanted)) continue
    const edit = (where: (string | number)[], value: unknown, isArrayInsertion = false): void => {
      now = applyEdits(now, modify(now, where, value, { ...FORMAT, isArrayInsertion }))
    }
    for (const at of ours.toReversed()) edit(['hooks', event, at], undefined)
    const others = groups.length - ours.length
    if (others === 0) edit(['hooks', event], wanted)
    else for (const [at, group] of wanted.entries()) edit(['hooks', event, others + at], group, true)
  }
  return ok(now)
}

/** The same without ours; null where nothing else was in the file. */
export const withoutHooks = (path: string, text: string | null, program: string): Result<string | null> => {
  if (text === null) return ok(null)
  let now = text
  for (;;) {
    const settings = settingsOf(path, now)
    if (!settings.ok) return settings
    const hooks = settings.value['hooks']
    if (!isRecord(hooks)) return ok(Object.keys(settings.value).length === 0 ? null : now)
    const event = Object.keys(hooks).find((name) => groupsOf(settings.value, name).some((group) => isOurs(program, group)))
    if (event === undefined) return ok(now)
    const groups = groupsOf(settings.value, event)
    const last = groups.length === 1
    const where = last && Object.keys(hooks).length === 1 ? ['hooks'] : last ? ['hooks', event] : ['hooks', event, groups.findIndex((group) => isOurs(program, group))]
    now = applyEdits(now, modify(now, where, undefined, FORMAT))
  }
}

/** Why the agent would not run them. */
export const switchedOff = (path: string, text: string | null, isOff: (settings: Record<string, unknown>) => boolean): Result<null> => {
  if (text === null || text.trim() === '') return ok(null)
  const settings = settingsOf(path, text)
  if (!settings.ok) return settings
  return isOff(settings.value) ? fail('not-supported', `Hooks are switched off in ${path}.`, { about: path, advice: 'Allow them there first.' }) : ok(null)
}
