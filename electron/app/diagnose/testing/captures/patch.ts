/** A look as it differs from another: whole values, of records entry by entry; null takes an entry away. */
export type Patch = Readonly<Record<string, unknown>>

const RECORDS = new Set(['meminfo', 'vmstat', 'sysctl', 'mm', 'zswapDebug', 'pressure', 'kernelThreadsCpuMs', 'hardening'])
type Loose = Readonly<Record<string, unknown>>
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const entriesBetween = (from: Loose, to: Loose): Loose =>
  Object.fromEntries([...new Set([...Object.keys(from), ...Object.keys(to)])].filter((key) => !same(from[key], to[key])).map((key) => [key, to[key] ?? null]))

export const patchBetween = (from: object, to: object): Patch =>
  Object.fromEntries(Object.entries(entriesBetween(from as Loose, to as Loose)).map(([key, value]) => [key, RECORDS.has(key) ? entriesBetween((from as Loose)[key] as Loose, value as Loose) : value]))

const withEntries = (from: Loose, patch: Loose): Loose => Object.fromEntries(Object.entries({ ...from, ...patch }).filter(([, value]) => value !== null))

export const patched = (from: object, patch: Patch): Loose =>
  withEntries(from as Loose, Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, RECORDS.has(key) ? withEntries((from as Loose)[key] as Loose, value as Loose) : value])))
