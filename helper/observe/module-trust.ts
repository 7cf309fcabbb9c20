import { readFileSync } from 'node:fs'
import { parseChoice, readText, under } from './files.ts'

const EFI = '/sys/firmware/efi/efivars'
const SECURE_BOOT = `${EFI}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c`
const MOK_LIST = `${EFI}/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23`
/** Made by DKMS on Debian and Ubuntu; modules it builds are signed with it. */
export const SIGNING_KEYS = ['/var/lib/dkms/mok.pub', '/var/lib/shim-signed/mok/MOK.der'] as const

const bytesOf = (root: string, path: string): Buffer | null => {
  try {
    return readFileSync(under(root, path))
  } catch {
    return null // not there, or not for this reader
  }
}

export interface ModuleTrust {
  /** Why unsigned modules are refused, in words; null where they are not. */
  readonly enforcedBy: string | null
  /** False: the key that DKMS signs with is known, and it is not among those this machine trusts. */
  readonly keyEnrolled: boolean | null
}

/** Whether the kernel takes only modules that somebody trusted has signed. */
export const readModuleTrust = (root: string): ModuleTrust => {
  const lockdown = parseChoice(readText(under(root, '/sys/kernel/security/lockdown')).value ?? '').chosen
  // Four bytes of attributes, then the value.
  const secureBoot = bytesOf(root, SECURE_BOOT)?.[4] === 1
  const enforced = readText(under(root, '/sys/module/module/parameters/sig_enforce')).value?.trim() === 'Y'
  const locked = lockdown !== null && lockdown !== 'none'
  if (!locked && !enforced) return { enforcedBy: null, keyEnrolled: null }
  const enforcedBy = secureBoot ? 'Secure Boot is on' : locked ? `the kernel is locked down (${lockdown})` : 'the kernel was told to take signed modules only (module.sig_enforce)'
  const trusted = bytesOf(root, MOK_LIST)
  const keys = SIGNING_KEYS.map((path) => bytesOf(root, path)).filter((key) => key !== null && key.length > 0)
  return { enforcedBy, keyEnrolled: trusted === null || keys.length === 0 ? null : keys.some((key) => key !== null && trusted.includes(key)) }
}

const CONFIG_FOLDERS = ['/etc/modprobe.d', '/run/modprobe.d', '/usr/local/lib/modprobe.d', '/usr/lib/modprobe.d', '/lib/modprobe.d'] as const
/** A line that forbids the module; `install` with a program that does nothing is the usual way. */
const FORBIDS = (name: string): RegExp => new RegExp(String.raw`^\s*(?:blacklist\s+${name}\s*$|install\s+${name}\s+\S*/?(?:false|true)\b)`, 'mu')

/** Where an administrator forbade the module; null where nobody did. */
export const blacklistedBy = (root: string, name: string, names: (folder: string) => readonly string[]): string | null => {
  const commandLine = readText(under(root, '/proc/cmdline')).value ?? ''
  if (new RegExp(String.raw`(?:^|\s)(?:module_blacklist|modprobe\.blacklist)=(?:\S*,)?${name}(?:[,\s]|$)`, 'u').test(commandLine)) return 'the kernel command line'
  for (const folder of CONFIG_FOLDERS) {
    for (const file of names(folder)) {
      if (file.endsWith('.conf') && FORBIDS(name).test(readText(under(root, `${folder}/${file}`)).value ?? '')) return `${folder}/${file}`
    }
  }
  return null
}
