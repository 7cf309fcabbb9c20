import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { AgentMemoryError, closedErrno, errorOf } from './errors.ts'
import type { AgentLine, AgentStat, Settings, UnitLine, UnitStat } from './lines.ts'

/** The addon's own object for an open library; nothing of it can be seen. */
export type Handle = { readonly handle: unique symbol }

/** Numbers for names: of backends, kinds, states and tiers, as in agentmem.h. */
export type Raw<Line, Named extends keyof Line> = { [Key in keyof Line]: Key extends Named ? number : Line[Key] }

export type AddonOptions = {
  backend: number
  flags: number
  importance: number
  quotaBytes: number
  name: string | undefined
  domain: string | undefined
  socketPath: string | undefined
  token: Uint8Array | undefined
}

export type RawStat = Raw<AgentStat, 'backend' | 'state'> & { token: Uint8Array }

/** What addon.c exports. Promises are rejected with a negative errno. */
export type Addon = {
  open(options: AddonOptions): Promise<Handle>
  close(handle: Handle): Promise<void>
  backend(handle: Handle): number
  setState(handle: Handle, state: number): Promise<void>
  setImportance(handle: Handle, importance: number): Promise<void>
  errorText(errno: number): string
  alloc(handle: Handle, kind: number, data: Uint8Array): Promise<bigint>
  append(handle: Handle, unit: bigint, data: Uint8Array): Promise<void>
  fork(handle: Handle, unit: bigint, prefixBytes: number | undefined): Promise<bigint>
  edit(handle: Handle, unit: bigint, offset: number, oldBytes: number, data: Uint8Array): Promise<void>
  share(handle: Handle, unit: bigint, agent: bigint): Promise<void>
  find(handle: Handle, digest: Uint8Array): Promise<bigint>
  markHot(handle: Handle, unit: bigint): Promise<void>
  free(handle: Handle, unit: bigint, isOwned: boolean): Promise<void>
  freeLater(handle: Handle, unit: bigint): void
  keep(handle: Handle, unit: bigint): void
  map(handle: Handle, unit: bigint, wantsCopy: boolean): Promise<{ buffer: ArrayBuffer; isCopy: boolean }>
  detach(buffer: ArrayBuffer): void
  read(handle: Handle, unit: bigint, offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>>
  stat(handle: Handle): Promise<RawStat>
  statUnit(handle: Handle, unit: bigint): Promise<Raw<UnitStat, 'kind' | 'tier'>>
  agents(handle: Handle, after: bigint): Promise<Raw<AgentLine, 'state'>[]>
  units(handle: Handle, agent: bigint, after: bigint): Promise<Raw<UnitLine, 'kind' | 'tier'>[]>
  settings(handle: Handle, changes: Partial<Settings>): Promise<Settings>
}

/** Beside this file, where it was put together; of a bundle in `build/shell`; of a checkout. */
const places = ['./agentmem.node', '../native/agentmem.node', '../../../build/native/agentmem.node']

let loaded: Addon | null = null

const missing = (message: string, cause?: unknown) =>
  new AgentMemoryError('open', 'ERR_AGENTMEM_ADDON', 0, `libagentmem cannot be used: ${message}`, cause === undefined ? undefined : { cause })

const load = (): Addon => {
  if (process.platform !== 'linux') throw missing(`it needs Linux, this is ${process.platform}`)
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined) {
    throw missing(`agentmem.node for ${process.arch} is not there. In a checkout, "npm run build" makes it (it needs gcc, libc6-dev, libssl-dev and libxxhash-dev). Looked for ${paths.join(', ')}`)
  }
  try {
    const addon: Addon = createRequire(import.meta.url)(path)
    return addon
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw missing(`${path} does not fit Node ${process.versions.node} for ${process.arch}: ${why}. In a checkout, "npm run build" makes it anew`, error)
  }
}

/** The addon, loaded when it is first needed. */
export const addon = (): Addon => (loaded ??= load())

/** What the addon is rejected with, as an Error with a stack of the caller's. */
export const told = async <T>(call: string, promise: Promise<T>): Promise<T> => {
  try {
    return await promise
  } catch (error) {
    throw typeof error === 'number' ? errorOf(call, error, error === closedErrno ? 'it was closed' : addon().errorText(error)) : error
  }
}
