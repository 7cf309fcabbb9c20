import { gunzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import type { Probe } from '../contract/probe.ts'
import { readText, under } from './files.ts'

/** `6.12.9-amd64`; "unknown" where /proc cannot be read. */
export const readKernelRelease = (root: string): string => {
  const text = readText(under(root, '/proc/sys/kernel/osrelease'))
  return text.value === null ? 'unknown' : text.value.trim()
}

/** First two numbers of a release; [0, 0] where there are none, which no feature's need is met by. */
export const kernelVersionOf = (release: string): Probe['kernelVersion'] => {
  const match = /^(\d{1,4})\.(\d{1,4})/u.exec(release)
  return match === null ? [0, 0] : [Number(match[1]), Number(match[2])]
}

export const atLeast = (version: Probe['kernelVersion'], major: number, minor: number): boolean =>
  version[0] > major || (version[0] === major && version[1] >= minor)

/** Random id of this boot; zeros where a captured tree lacks it. */
export const readBootId = (root: string): string => {
  const text = readText(under(root, '/proc/sys/kernel/random/boot_id')).value?.trim() ?? ''
  return /^[0-9a-f-]{36}$/u.test(text) ? text : '00000000-0000-0000-0000-000000000000'
}

/** Milliseconds since boot, time asleep included: the clock of field 22 of /proc/<pid>/stat. */
export const readUptimeMs = (root: string): number | null => {
  const match = /^(\d+)\.(\d{2})/u.exec(readText(under(root, '/proc/uptime')).value ?? '')
  return match === null ? null : Number(match[1]) * 1000 + Number(match[2]) * 10
}

/** USER_HZ: 100 on every architecture that Node runs on. */
export const TICK_MS = 10

const AT_PAGESZ = 6n

/** Page size from the auxiliary vector; 4096 where it cannot be read. */
export const readPageBytes = (root: string): number => {
  try {
    const vector = readFileSync(under(root, '/proc/self/auxv'))
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8))
    }
  } catch {
    // A captured tree has no auxiliary vector.
  }
  return 4096
}

/** CONFIG_ options of a kernel by their name: `y`, `m` or a value; one that is not set is absent. A Map is one. */
export interface KernelConfig {
  get(name: string): string | undefined
  has(name: string): boolean
  entries(): Iterable<readonly [string, string]>
}

const configCache = new Map<string, KernelConfig | null>()

const readConfigText = (root: string, release: string): string | null => {
  try {
    return gunzipSync(readFileSync(under(root, '/proc/config.gz'))).toString('latin1')
  } catch {
    return readText(under(root, `/boot/config-${release}`)).value
  }
}

/** Looked up in the text: of its thousands of options some dozens are ever asked for. */
const configOf = (text: string): KernelConfig => {
  const get = (name: string): string | undefined => {
    const start = `${name}=`
    const before = text.startsWith(start) ? 0 : text.indexOf(`\n${start}`) + 1
    if (before === 0 && !text.startsWith(start)) return undefined
    const end = text.indexOf('\n', before)
    return text.slice(before + start.length, end === -1 ? undefined : end)
  }
  return {
    get,
    has: (name) => get(name) !== undefined,
    entries: () => Array.from(text.matchAll(/^(CONFIG_\w+)=(.*)$/gmu), ([, name = '', value = '']): [string, string] => [name, value]),
  }
}

/**
 * The options of the running kernel. Null where neither /proc/config.gz nor
 * /boot/config-* can be read. Kept, since they cannot change while the machine runs.
 */
export const readKernelConfig = (root: string, release: string): KernelConfig | null => {
  const key = `${root}\n${release}`
  const cached = configCache.get(key)
  if (cached !== undefined) return cached
  const text = readConfigText(root, release)
  const config = text === null ? null : configOf(text)
  configCache.set(key, config)
  return config
}
