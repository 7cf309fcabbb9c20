import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { presetSchema, type Preset } from '../../../helper/contract/presets.ts'
import type { PresetView } from '../../contract/views.ts'
import { errnoOf, messageOf, writeAtomic } from '../files.ts'

/** Far above any real preset; keeps a wrong file from filling memory. */
const MAX_BYTES = 100_000

export interface Presets {
  /** Built-in ones first; files that are no presets are named in `problems` and left alone. */
  list(): { presets: PresetView[]; problems: string[] }
  get(id: string): Result<PresetView>
  save(preset: Preset): Result<PresetView>
  remove(id: string): Result<Record<string, never>>
  exportText(id: string): Result<{ fileName: string; text: string }>
  importText(text: string): Result<PresetView>
}

/** Text of a preset file as a preset, or a sentence that names the field at fault. */
export const parsePreset = (text: string): { preset: Preset } | { why: string } => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { why: `it is not JSON (${messageOf(error)})` }
  }
  const parsed = presetSchema.safeParse(json)
  if (parsed.success) return { preset: parsed.data }
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the file' : `"${issue.path.join('.')}"`
  return { why: `${where} is not valid: ${issue?.message ?? 'unknown'}` }
}

/** The order in which the window offers the built-in ones; others follow by title. */
const ORDER = ['balanced', 'more-agents', 'battery', 'everything-off']

const readFolder = (folder: string, builtIn: boolean): { presets: PresetView[]; problems: string[] } => {
  const presets: PresetView[] = []
  const problems: string[] = []
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('.')).toSorted()
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') problems.push(`${folder} cannot be read: ${messageOf(error)}.`)
    return { presets, problems }
  }
  for (const name of names) {
    const path = join(folder, name)
    try {
      if (statSync(path).size > MAX_BYTES) {
        problems.push(`${path} is left out: it is larger than ${MAX_BYTES / 1000} kB.`)
        continue
      }
      const parsed = parsePreset(readFileSync(path, 'utf8'))
      if ('why' in parsed) problems.push(`${path} is left out: ${parsed.why}.`)
      else if (`${parsed.preset.id}.json` !== name) problems.push(`${path} is left out: its id is "${parsed.preset.id}", expected the name of the file.`)
      else presets.push({ preset: parsed.preset, builtIn })
    } catch (error) {
      problems.push(`${path} cannot be read: ${messageOf(error)}.`)
    }
  }
  return { presets, problems }
}

export const createPresets = (places: { readonly builtInDir: string; readonly ownDir: string }): Presets => {
  const list: Presets['list'] = () => {
    const builtIn = readFolder(places.builtInDir, true)
    const own = readFolder(places.ownDir, false)
    const taken = new Set(builtIn.presets.map((view) => view.preset.id))
    const rank = (view: PresetView): number => (ORDER.indexOf(view.preset.id) + ORDER.length + 1) % (ORDER.length + 1)
    return {
      presets: [
        ...builtIn.presets.toSorted((a, b) => rank(a) - rank(b)),
        ...own.presets.filter((view) => !taken.has(view.preset.id)).toSorted((a, b) => a.preset.title.localeCompare(b.preset.title)),
      ],
      problems: [
        ...builtIn.problems,
        ...own.problems,
        ...own.presets.filter((view) => taken.has(view.preset.id)).map((view) => `${join(places.ownDir, `${view.preset.id}.json`)} is left out: a built-in preset has that id.`),
      ],
    }
  }

  const get: Presets['get'] = (id) => {
    const found = list().presets.find((view) => view.preset.id === id)
    return found === undefined ? fail('bad-request', `There is no preset "${id}".`, { about: id, advice: 'Look at the list of presets: agentmemctl presets' }) : ok(found)
  }

  const save: Presets['save'] = (preset) => {
    if (readFolder(places.builtInDir, true).presets.some((view) => view.preset.id === preset.id)) {
      return fail('bad-request', `"${preset.id}" is a built-in preset and cannot be replaced.`, { about: preset.id, advice: 'Save it under another id.' })
    }
    const written = writeAtomic(join(places.ownDir, `${preset.id}.json`), `${JSON.stringify(preset, null, 2)}\n`)
    return written.ok ? ok({ preset, builtIn: false }) : written
  }

  return {
    list,
    get,
    save,
    remove(id) {
      const found = get(id)
      if (!found.ok) return found
      if (found.value.builtIn) return fail('bad-request', `"${id}" is built in and cannot be removed.`, { about: id })
      try {
        rmSync(join(places.ownDir, `${id}.json`))
        return ok({})
      } catch (error) {
        return fail('internal', `The preset "${id}" could not be removed: ${messageOf(error)}`, { about: id })
      }
    },
    exportText(id) {
      const found = get(id)
      return found.ok ? ok({ fileName: `${id}.json`, text: `${JSON.stringify(found.value.preset, null, 2)}\n` }) : found
    },
    importText(text) {
      const parsed = parsePreset(text)
      if ('why' in parsed) return fail('bad-request', `This is not a preset: ${parsed.why}.`, { advice: 'Choose a file that was exported from here.' })
      if (list().presets.some((view) => view.preset.id === parsed.preset.id)) {
        return fail('bad-request', `A preset with the id "${parsed.preset.id}" is there already.`, { about: parsed.preset.id, advice: 'Change the id in the file, or remove the other preset first.' })
      }
      return save(parsed.preset)
    },
  }
}
