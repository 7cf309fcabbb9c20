import { basename } from 'node:path'
import type { z } from 'zod'
import type { hardeningSchema } from '../../contract/evidence.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import type { SwapDevice } from '../../contract/snapshot.ts'
import { integer, listNames, parseChoice, readLink, readText, under, unescapeOctal } from '../files.ts'
import type { KernelConfig } from '../kernel.ts'
import { parseMounts, mountOf } from '../mounts.ts'

type Hardening = z.infer<typeof hardeningSchema>
type Encryption = Hardening['swapEncryption'][number]

/** mm/mmap.c: stack_guard_gap, in pages, unless the command line says otherwise. */
const GUARD_GAP_PAGES = 256

/** Value of the last `name=value` of the kernel's command line. */
export const bootParameter = (commandLine: string, name: string): string | null =>
  commandLine.trim().split(/\s+/u).findLast((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? null

/** dm-crypt marks its devices; one below another (LVM on LUKS) counts too. */
const mapped = (root: string, name: string, depth = 0): Encryption['state'] => {
  const folder = `/sys/class/block/${name}`
  const uuid = readText(under(root, `${folder}/dm/uuid`)).value?.trim()
  if (uuid?.startsWith('CRYPT-') === true) return 'encrypted'
  if (depth > 4) return 'unknown'
  const below = listNames(under(root, `${folder}/slaves`)).value ?? []
  if (below.length > 0) return below.every((each) => mapped(root, each, depth + 1) === 'encrypted') ? 'encrypted' : 'plain'
  if (uuid !== undefined || /^(?:loop|md|nbd)/u.test(name)) return 'unknown'
  return 'plain'
}

/** /dev/mapper/name is a link to /dev/dm-N. */
const blockName = (root: string, path: string): string => basename(readLink(under(root, path), 'not-supported', false).value ?? path)

const howOf = { memory: 'zram keeps it in memory', encrypted: 'dm-crypt', plain: 'no encryption of the kernel; a disk that encrypts itself cannot be told', unknown: 'cannot be told' } as const

const encryptionOf = (root: string, mountsText: string, swap: SwapDevice): Encryption => {
  const say = (state: Encryption['state'], how: string = howOf[state]): Encryption => ({ path: swap.path, state, how })
  if (swap.kind === 'zram') {
    const backing = readText(under(root, `/sys/block/${basename(swap.path)}/backing_dev`)).value?.trim() ?? 'none'
    return backing === 'none' ? say('memory') : say('unknown', 'zram writes cold pages back to a disk')
  }
  if (swap.kind === 'partition') return say(mapped(root, blockName(root, swap.path)))
  const folder = mountOf(parseMounts(mountsText), swap.path)?.folder
  const device = mountsText.split('\n').findLast((line) => unescapeOctal(line.split(' ')[1] ?? '') === folder)?.split(' ')[0] ?? ''
  return device.startsWith('/dev/') ? say(mapped(root, blockName(root, device))) : say('unknown', 'its file system has no block device')
}

const flagsCache = new Map<string, Reading<boolean>>()

/** Kept, since processors do not change; on those that are not x86 the kernel always uses it. */
const noExecute = (root: string): Reading<boolean> => {
  const cached = flagsCache.get(root)
  if (cached !== undefined) return cached
  const text = readText(under(root, '/proc/cpuinfo'))
  const flags = /^flags\s*:(.*)$/mu.exec(text.value ?? '')?.[1]
  const found: Reading<boolean> = text.value === null ? text : flags === undefined ? missing('not-supported', '/proc/cpuinfo has no flags') : known(/\bnx\b/u.test(flags))
  flagsCache.set(root, found)
  return found
}

/** A switch of the command line, else what the kernel was built with. */
const initialised = (commandLine: string, config: KernelConfig | null, name: 'alloc' | 'free'): Reading<boolean> => {
  const word = bootParameter(commandLine, `init_on_${name}`)
  if (word !== null) return known(['1', 'y', 'Y', 'on'].includes(word))
  return config === null ? missing('not-permitted', 'no readable kernel config') : known(config.get(`CONFIG_INIT_ON_${name.toUpperCase()}_DEFAULT_ON`) === 'y')
}

const ASLR = ['off', 'partial', 'full'] as const

export interface HardeningFacts {
  readonly swaps: readonly SwapDevice[]
  readonly sysctl: Readonly<Record<string, Reading<string>>>
  readonly config: KernelConfig | null
  readonly mountsText: string
}

/** Protections the system gives; see D10. */
export const readHardening = (root: string, { swaps, sysctl, config, mountsText }: HardeningFacts): Hardening => {
  const commandLine = readText(under(root, '/proc/cmdline')).value ?? ''
  const number = (path: string): Reading => {
    const text = sysctl[path] ?? missing('not-supported', path)
    if (text.value === null) return text
    const value = integer(text.value)
    return value === null ? missing('malformed', `${path}: expected an integer`) : known(value)
  }
  const space = number('/proc/sys/kernel/randomize_va_space')
  const aslr = space.value === null ? space : ASLR[space.value]
  const lockdown = readText(under(root, '/sys/kernel/security/lockdown'))
  return {
    aslr: aslr === undefined ? missing('malformed', 'randomize_va_space: expected 0, 1 or 2') : typeof aslr === 'string' ? known(aslr) : aslr,
    noExecute: noExecute(root),
    guardGapPages: known(integer(bootParameter(commandLine, 'stack_guard_gap') ?? undefined) ?? GUARD_GAP_PAGES),
    swapEncryption: swaps.map((swap) => encryptionOf(root, mountsText, swap)),
    lockdown: lockdown.value === null ? lockdown : known(parseChoice(lockdown.value).chosen ?? lockdown.value.trim()),
    ptraceScope: number('/proc/sys/kernel/yama/ptrace_scope'),
    mmapMinAddr: number('/proc/sys/vm/mmap_min_addr'),
    initOnAlloc: initialised(commandLine, config, 'alloc'),
    initOnFree: initialised(commandLine, config, 'free'),
  }
}
