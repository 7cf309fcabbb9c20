import { presetSchema, type Preset } from '../../helper/contract/presets.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { Emit, HandlersOf } from './handlers.ts'
import { builtInPresets } from './static-data.ts'

/** The presets that ship, the user's own, and those made of what a finding suggests. */
export const createPresets = (emit: Emit) => {
  const builtIn = builtInPresets()
  const own: Preset[] = []
  const tried: Preset[] = []
  const find = (id: string): Preset | undefined => [...builtIn, ...own, ...tried].find((entry) => entry.id === id)
  const first = builtIn[0]
  if (first === undefined) throw new Error('no presets in assets/presets')
  const changed = (): void => emit('changed', { what: 'presets', runId: null })

  const handlers: HandlersOf<`presets.${'list' | 'save' | 'remove' | 'export' | 'import'}`> = {
    'presets.list': () => ok({ presets: [...builtIn.map((entry) => ({ preset: entry, builtIn: true })), ...own.map((entry) => ({ preset: entry, builtIn: false }))], problems: [] }),
    'presets.save': ({ preset: next }) => {
      if (builtIn.some((entry) => entry.id === next.id)) return fail('bad-request', `"${next.id}" is built in; choose another name.`)
      const at = own.findIndex((entry) => entry.id === next.id)
      if (at < 0) own.push(next)
      else own[at] = next
      changed()
      return ok({ preset: next, builtIn: false })
    },
    'presets.remove': ({ id }) => {
      const at = own.findIndex((entry) => entry.id === id)
      if (at < 0) return fail('bad-request', 'There is no own preset of that name.')
      own.splice(at, 1)
      changed()
      return ok({})
    },
    'presets.export': ({ id }) => {
      const found = find(id)
      return found === undefined ? fail('bad-request', 'There is no such preset.') : ok({ fileName: `${id}.json`, text: `${JSON.stringify(found, null, 2)}\n` })
    },
    'presets.import': ({ text }) => {
      try {
        const parsed = presetSchema.safeParse(JSON.parse(text))
        if (!parsed.success) return fail('bad-request', `The file is no preset: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`)
        own.push(parsed.data)
        changed()
        return ok({ preset: parsed.data, builtIn: false })
      } catch {
        return fail('bad-request', 'The file is no preset: it is not JSON.')
      }
    },
  }

  return {
    handlers,
    find,
    /** That preset, else the first that ships. */
    findOrFirst: (id: string): Preset => find(id) ?? first,
    /** From now on found by its id, but not listed. */
    remember: (preset: Preset): void => void tried.push(preset),
  }
}
