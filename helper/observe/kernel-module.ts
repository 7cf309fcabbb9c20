import { existsSync } from 'node:fs'
import { MODULE_NAME, type KernelModule } from '../contract/kernel-module.ts'
import { readAgentStats } from './agent-stats.ts'
import { listNames, readInteger, readText, under } from './files.ts'
import { atLeast, kernelVersionOf, readKernelConfig } from './kernel.ts'
import { builtForOthers, moduleFile, readModuleFacts } from './module-file.ts'
import { blacklistedBy, readModuleTrust, SIGNING_KEYS } from './module-trust.ts'

export const MODULE_FOLDER = `/sys/module/${MODULE_NAME}`
/** Files in its folder of parameters, all readable by everybody. */
export const MODULE_PARAMETERS: readonly string[] = ['compressor', 'warm_after_ms', 'cold_after_ms', 'hot_most_bytes', 'warm_most_bytes', 'free_least_bytes', 'quota_bytes', 'user_most_bytes'].map((name) => `${MODULE_FOLDER}/parameters/${name}`)

type Obstacle = NonNullable<KernelModule['obstacle']>
const SOURCES = '/usr/src'

/** Sources that DKMS builds from, newest version last: "0.1.0". */
const sourceVersions = (root: string): string[] =>
  (listNames(under(root, SOURCES)).value ?? [])
    .flatMap((name) => new RegExp(String.raw`^${MODULE_NAME}-(\d+\.\d+\.\d+)$`, 'u').exec(name)?.[1] ?? [])
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))

const anyOf = (root: string, paths: readonly string[]): boolean => paths.some((path) => existsSync(under(root, path)))

/** Nothing was built for this kernel: what is missing, first things first. */
const whyNotBuilt = (root: string, release: string): Obstacle => {
  const version = sourceVersions(root).at(-1)
  const others = builtForOthers(root, release)
  if (version === undefined && others.length === 0) return { id: 'no-sources', message: 'The module is not installed.', advice: 'Install the helper (Settings, Helper): it brings the sources of the module.' }
  if (!anyOf(root, ['/usr/sbin/dkms', '/sbin/dkms', '/usr/bin/dkms'])) return { id: 'no-dkms', message: 'DKMS, which builds the module for each kernel, is not installed.', advice: `sudo apt install dkms linux-headers-${release}, then install the helper again.` }
  const build = `sudo dkms install ${MODULE_NAME}/${version ?? ''} -k ${release}`
  if (!existsSync(under(root, `/lib/modules/${release}/build/Makefile`))) {
    return { id: 'no-headers', message: `The headers of this kernel (${release}) are not installed, so the module cannot be built.`, advice: `sudo apt install linux-headers-${release}, then ${build}` }
  }
  if (others.length > 0) return { id: 'other-kernel', message: `The module was built for ${others.join(', ')}, and this is ${release}.`, advice: `${build}, or start the other kernel.` }
  return { id: 'not-built', message: `The module has not been built for this kernel (${release}), or building it failed.`, advice: `${build}. What went wrong stands in /var/lib/dkms/${MODULE_NAME}/${version ?? ''}/build/make.log.` }
}

const whyNotTrusted = (root: string, signed: boolean | null): Obstacle | null => {
  const trust = readModuleTrust(root)
  if (trust.enforcedBy === null) return null
  if (signed === false) {
    return { id: 'unsigned', message: `The module is not signed, and ${trust.enforcedBy}.`, advice: `Sign it with a key of this machine: see "Secure Boot" in docs/kernel-module.md. DKMS does it by itself where it has made ${SIGNING_KEYS[0]}.` }
  }
  if (trust.keyEnrolled === false) {
    return { id: 'key-not-enrolled', message: `The module is signed with a key that this machine does not trust, and ${trust.enforcedBy}.`, advice: `sudo mokutil --import ${SIGNING_KEYS[0]}, restart, and enter the password you chose in the blue screen.` }
  }
  return null
}

/** What stands against loading it now; null where nothing is known to. */
const obstacleOf = (root: string, release: string, file: string | null): Obstacle | null => {
  if (!atLeast(kernelVersionOf(release), 6, 1)) return { id: 'too-old', message: `The module needs Linux 6.1, and this is ${release}.`, advice: 'Use a newer kernel (on Debian: from backports). Everything else works without the module.' }
  const config = readKernelConfig(root, release)
  if (readText(under(root, '/proc/modules')).value === null || (config !== null && !config.has('CONFIG_MODULES'))) {
    return { id: 'no-modules', message: `This kernel (${release}) loads no modules.`, advice: "Use a distribution's kernel; in a container ask whoever runs the machine. Everything else works without the module." }
  }
  if (readText(under(root, '/proc/sys/kernel/modules_disabled')).value?.trim() === '1') {
    return { id: 'modules-disabled', message: 'Loading modules was switched off until the next start (kernel.modules_disabled).', advice: 'Load the module before it is switched off, or take the setting out of /etc/sysctl.d and restart.' }
  }
  const forbidden = blacklistedBy(root, MODULE_NAME, (folder) => listNames(under(root, folder)).value ?? [])
  if (forbidden !== null) return { id: 'blacklisted', message: `The administrator has forbidden the module, in ${forbidden}.`, advice: `Take the line with ${MODULE_NAME} out of it${forbidden.startsWith('/') ? '' : ' and restart'}.` }
  if (file === null) return whyNotBuilt(root, release)
  const facts = readModuleFacts(root, file)
  if (facts.builtFor !== null && facts.builtFor !== release) {
    return { id: 'wrong-kernel', message: `${file} was made for ${facts.builtFor}, and this is ${release}.`, advice: `sudo dkms install --force ${MODULE_NAME}/${sourceVersions(root).at(-1) ?? facts.version ?? ''} -k ${release}` }
  }
  return whyNotTrusted(root, facts.signed)
}

/** Whether agentmem.ko is loaded, what it says, and what stands against loading it. By reading only, as any user. */
export const readKernelModule = (root: string, release: string): KernelModule => {
  const loaded = existsSync(under(root, `${MODULE_FOLDER}/refcnt`)) || existsSync(under(root, `${MODULE_FOLDER}/initstate`))
  const file = moduleFile(root, release)
  if (!loaded) return { loaded, version: file === null ? null : readModuleFacts(root, file).version, users: null, stats: null, file, obstacle: obstacleOf(root, release, file) }
  const users = readInteger(under(root, `${MODULE_FOLDER}/refcnt`)).value
  return {
    loaded,
    version: readText(under(root, `${MODULE_FOLDER}/version`)).value?.trim() ?? null,
    users: users === null ? null : Math.max(0, users),
    stats: readAgentStats(root).value,
    file,
    obstacle: null,
  }
}
