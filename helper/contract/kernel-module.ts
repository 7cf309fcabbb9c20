import { z } from 'zod'

/** The module's name, for modprobe, /sys/module and the journal. */
export const MODULE_NAME = 'agentmem'

/** Algorithms of the crypto API that the module may be told to use; "none" keeps everything plain. */
export const MODULE_COMPRESSORS = ['zstd', 'lz4', 'lzo-rle', 'lzo', 'deflate', 'deflate-iaa', 'none'] as const
export const moduleCompressorSchema = z.enum(MODULE_COMPRESSORS)
export type ModuleCompressor = z.infer<typeof moduleCompressorSchema>

const ageMs = z.int().min(1000).max(400 * 24 * 3600 * 1000)
const limitBytes = z.int().min(1024 ** 2).max(2 ** 50)

/** What a backing file may hold: pieces of 4096 bytes, 64 MB to 1 TB (native/privileged/backing). */
export const moduleBackingBytesSchema = z.int().min(64 * 1024 ** 2).max(2 ** 40).multipleOf(4096)

/** agentmem.ko: loaded with these parameters, or unloaded. What is left out stays as the module has it. */
export const kernelModuleSettingsSchema = z.strictObject({
  mode: z.enum(['load', 'unload']),
  /** Given when it is loaded; a module that is loaded keeps its own. */
  compressor: moduleCompressorSchema.optional(),
  warmAfterMs: ageMs.optional(),
  /** To the backing file, where there is one. */
  coldAfterMs: ageMs.optional(),
  /** 0: no limit. */
  hotMostBytes: z.union([z.literal(0), limitBytes]).optional(),
  /** More compressed bytes than that leave memory for the backing file; 0: no limit. */
  warmMostBytes: z.union([z.literal(0), limitBytes]).optional(),
  /** With less available than that units are compressed whatever their age; 0: a 32nd of memory. */
  freeLeastBytes: z.union([z.literal(0), limitBytes]).optional(),
  quotaBytes: limitBytes.optional(),
  userMostBytes: limitBytes.optional(),
  /** Backing file for what is not read for days, of at most so many bytes; 0: none. */
  backingBytes: z.union([z.literal(0), moduleBackingBytesSchema]).optional(),
})
export type KernelModuleSettings = z.infer<typeof kernelModuleSettingsSchema>

/** Why the module cannot be loaded now, each with something of its own to do. */
export const moduleObstacleIdSchema = z.enum([
  'no-modules', // a kernel built without loadable modules, or a container that shows none
  'too-old', // the kernel
  'modules-disabled', // kernel.modules_disabled=1: until the next start
  'blacklisted', // by the administrator
  'no-sources', // not installed
  'no-dkms',
  'no-headers',
  'other-kernel', // built, but for other kernels than this one
  'not-built', // all is there, and it was not built or building failed
  'wrong-kernel', // its file was made for another kernel (vermagic)
  'unsigned', // Secure Boot or lockdown, and it is not signed
  'key-not-enrolled', // signed with a key that this machine does not trust
])
export type ModuleObstacleId = z.infer<typeof moduleObstacleIdSchema>

/** One line of /proc/agent_stats: an agent of the reader's user, of any user where root reads. Bytes are plain, but for `total`. */
export const moduleAgentSchema = z.object({
  number: z.string().regex(/^\d{1,20}$/u),
  /** As the reader's namespace sees it; null where it does not. */
  pid: z.int().positive().nullable(),
  uid: z.int().min(0),
  state: z.enum(['active', 'idle', 'suspended', 'gone']),
  importance: z.int().min(0).max(100),
  units: z.number().min(0),
  bytes: z.number().min(0),
  sharedBytes: z.number().min(0),
  hotBytes: z.number().min(0),
  warmBytes: z.number().min(0),
  coldBytes: z.number().min(0),
  idleMs: z.number().min(0),
  name: z.string(),
  /** Trust domain; empty: the user's common one. */
  domain: z.string(),
})
export type ModuleAgent = z.infer<typeof moduleAgentSchema>

/** The file of the cold tier. `full`, `failing`: what should go there stays compressed in memory. Bytes used and these two are told to root alone. */
export const moduleBackingSchema = z.object({
  state: z.enum(['in-use', 'full', 'failing']),
  mostBytes: z.number().min(0),
  usedBytes: z.number().min(0),
})
export type ModuleBacking = z.infer<typeof moduleBackingSchema>

/** The last lines of /proc/agent_stats. */
export const moduleTotalsSchema = z.object({
  agents: z.number().min(0),
  units: z.number().min(0),
  /** Plain, each unit as often as it is held. */
  bytes: z.number().min(0),
  contents: z.number().min(0),
  /** Plain, each content once. */
  contentBytes: z.number().min(0),
  /** Resident, compressed and on the backing file, as stored. */
  hotBytes: z.number().min(0),
  warmBytes: z.number().min(0),
  coldBytes: z.number().min(0),
  /** Compressor really in use, as the crypto API names it. */
  driver: z.string(),
  /** Null: there is none. */
  backing: moduleBackingSchema.nullable().default(null),
})
export type ModuleTotals = z.infer<typeof moduleTotalsSchema>

export const moduleStatsSchema = z.object({ agents: z.array(moduleAgentSchema), totals: moduleTotalsSchema })
export type ModuleStats = z.infer<typeof moduleStatsSchema>

export const kernelModuleSchema = z.object({
  loaded: z.boolean(),
  /** Of the loaded module, else of the file that would be loaded; null where it is not told. */
  version: z.string().nullable(),
  /** Descriptors and mappings that hold it; null while it is not loaded. */
  users: z.int().min(0).nullable(),
  /** What it says of itself; null while it is not loaded, or too old to say. */
  stats: moduleStatsSchema.nullable(),
  /** The file that would be loaded: /lib/modules/.../agentmem.ko.xz. */
  file: z.string().nullable(),
  /** Null: it is loaded, or nothing stands against it. */
  obstacle: z.object({ id: moduleObstacleIdSchema, message: z.string(), advice: z.string() }).nullable(),
})
export type KernelModule = z.infer<typeof kernelModuleSchema>

/** What an older helper leaves out. */
export const unknownModule: KernelModule = {
  loaded: false, version: null, users: null, stats: null, file: null,
  obstacle: { id: 'no-sources', message: 'The helper is of an earlier version, which knows of no kernel module.', advice: 'Install the helper of this version (Settings, Helper).' },
}
