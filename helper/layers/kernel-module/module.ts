import type { MachineAccess, StepContext } from '../../change/context.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { MODULE_NAME, moduleCompressorSchema, type ModuleCompressor } from '../../contract/kernel-module.ts'
import { moduleUsers } from '../../plan/kernel-module.ts'
import { MODULE_WRITABLE, moduleParameterPath } from '../../plan/paths.ts'
import { setBackingAgain } from './backing.ts'
import { describeModule, readModule, readParameter } from './state.ts'

/** What `new` of a journal line says when the change was an unloading. */
export const MODULE_OUT = 'out'

const inUse = (root: string): Result<null> => {
  const now = readModule(root)
  return (now.users ?? 0) > 0 ? fail('write-refused', `The module is in use by ${moduleUsers(now)}: it stays loaded.`, { about: `${MODULE_NAME}.ko`, expected: 'no user', got: `${now.users} users`, advice: 'End these programs first; their units are in it.' }) : ok(null)
}

/** modprobe, and what the kernel made of it. */
const bringIn = async (access: MachineAccess, compressor: ModuleCompressor): Promise<Result<string>> => {
  const loaded = await access.tools.module.load(compressor)
  if (!loaded.ok) return loaded
  access.checkpoint('load module')
  const now = readModule(access.root)
  access.checkpoint('read back module')
  if (!now.loaded) return fail('read-back-differs', 'modprobe reported no error, and the module is not loaded.', { about: `${MODULE_NAME}.ko`, expected: 'loaded', got: 'not loaded' })
  const kept = readParameter(access.root, 'compressor')
  if (kept !== null && kept !== compressor) return fail('read-back-differs', `The module was asked to compress with ${compressor} and says ${kept}.`, { about: moduleParameterPath('compressor'), expected: compressor, got: kept, advice: 'Options for agentmem in /etc/modprobe.d come after these: take them out.' })
  const driver = now.stats?.totals.driver
  return ok(driver === undefined ? 'loaded' : driver === 'none' && compressor !== 'none' ? `loaded; this kernel has no ${compressor}, so nothing is compressed` : `loaded, compressing with ${driver}`)
}

/** Out, where nobody uses it. */
const takeOut = async (access: MachineAccess): Promise<Result<null>> => {
  const free = inUse(access.root)
  if (!free.ok) return free
  const out = await access.tools.module.unload()
  access.checkpoint('unload module')
  if (!readModule(access.root).loaded) return ok(null)
  const used = inUse(access.root)
  if (!used.ok) return used
  return out.ok ? fail('read-back-differs', 'modprobe reported no error, and the module is still loaded.', { about: `${MODULE_NAME}.ko`, expected: 'not loaded', got: 'loaded' }) : out
}

/** module-load; its line (`rmmod`, nothing before) is undone by unloading. */
export const loadModule = async (context: StepContext, compressor: ModuleCompressor): Promise<Result<string>> => {
  const now = readModule(context.root)
  if (now.loaded) return fail('plan-changed', 'The module has been loaded meanwhile.', { about: `${MODULE_NAME}.ko` })
  if (now.obstacle !== null) return fail('not-supported', now.obstacle.message, { about: `${MODULE_NAME}.ko`, advice: now.obstacle.advice })
  const line = context.journal.append({ undoClass: 'when-it-fits', verb: 'rmmod', target: MODULE_NAME, old: null, new: `compressor=${compressor}` })
  if (!line.ok) return line
  context.checkpoint('journal module')
  context.say('Loading the module')
  return bringIn(context, compressor)
}

/** module-unload; its line says how to load it again. */
export const unloadModule = async (context: StepContext): Promise<Result<string>> => {
  if (!readModule(context.root).loaded) return ok('was not loaded')
  const free = inUse(context.root)
  if (!free.ok) return free
  const line = context.journal.append({ undoClass: 'when-it-fits', verb: 'rmmod', target: MODULE_NAME, old: describeModule(context.root), new: MODULE_OUT })
  if (!line.ok) return line
  context.checkpoint('journal module')
  const out = await takeOut(context)
  return out.ok ? ok('not loaded') : out
}

/** Undo of unloading, from wherever it stopped: loads it where it is out, then its parameters. */
export const loadModuleAgain = async (access: MachineAccess, old: string): Promise<Result<null>> => {
  const values = new Map(old.split(' ').map((pair): [string, string] => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const compressor = moduleCompressorSchema.safeParse(values.get('compressor') ?? 'zstd')
  if (!compressor.success) return fail('journal-unusable', 'The journal does not say how the module was loaded.', { about: MODULE_NAME, got: old })
  if (!readModule(access.root).loaded) {
    const loaded = await bringIn(access, compressor.data)
    if (!loaded.ok) return loaded
  }
  for (const { name } of MODULE_WRITABLE) {
    const value = values.get(name)
    if (value === undefined || readParameter(access.root, name) === value) continue
    const written = await access.kernel.write(moduleParameterPath(name), value)
    if (!written.ok) return written
    access.checkpoint(`write back ${name}`)
  }
  return setBackingAgain(access, Number(values.get('backing') ?? 0))
}

/** Undo of loading. */
export const unloadModuleAgain = takeOut
