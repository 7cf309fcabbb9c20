import type { ModuleObstacleId } from '../../helper/contract/kernel-module.ts'
import type { LayerStatus } from '../../helper/contract/layers.ts'
import type { Capability } from '../../helper/contract/probe.ts'
import { known, missing } from '../../helper/contract/known.ts'
import { KERNEL } from './machine.ts'

/** How the module stands: loaded with or without users, without a compressor, built and not loaded, or what is against it. */
export type ModuleScenario = 'loaded' | 'idle' | 'no-compressor' | 'off' | ModuleObstacleId

const build = `sudo dkms install agentmem/0.1.0 -k ${KERNEL}`

/** As helper/observe/kernel-module.ts words them. */
export const obstacleWords: Record<ModuleObstacleId, readonly [message: string, advice: string]> = {
  'no-modules': [`This kernel (${KERNEL}) loads no modules.`, "Use a distribution's kernel; in a container ask whoever runs the machine. Everything else works without the module."],
  'too-old': ['The module needs Linux 6.1, and this is 5.15.0-1-amd64.', 'Use a newer kernel (on Debian: from backports). Everything else works without the module.'],
  'modules-disabled': ['Loading modules was switched off until the next start (kernel.modules_disabled).', 'Load the module before it is switched off, or take the setting out of /etc/sysctl.d and restart.'],
  blacklisted: ['The administrator has forbidden the module, in /etc/modprobe.d/local.conf.', 'Take the line with agentmem out of it.'],
  'no-sources': ['The module is not installed.', 'Install the helper (Settings, Helper): it brings the sources of the module.'],
  'no-dkms': ['DKMS, which builds the module for each kernel, is not installed.', `sudo apt install dkms linux-headers-${KERNEL}, then install the helper again.`],
  'no-headers': [`The headers of this kernel (${KERNEL}) are not installed, so the module cannot be built.`, `sudo apt install linux-headers-${KERNEL}, then ${build}`],
  'other-kernel': [`The module was built for 6.1.0-41-amd64, and this is ${KERNEL}.`, `${build}, or start the other kernel.`],
  'not-built': [`The module has not been built for this kernel (${KERNEL}), or building it failed.`, `${build}. What went wrong stands in /var/lib/dkms/agentmem/0.1.0/build/make.log.`],
  'wrong-kernel': [`/lib/modules/${KERNEL}/updates/dkms/agentmem.ko was made for 6.12.8-amd64, and this is ${KERNEL}.`, `sudo dkms install --force agentmem/0.1.0 -k ${KERNEL}`],
  unsigned: ['The module is not signed, and Secure Boot is on.', 'Sign it with a key of this machine: see "Secure Boot" in docs/kernel-module.md. DKMS does it by itself where it has made /var/lib/dkms/mok.pub.'],
  'key-not-enrolled': ['The module is signed with a key that this machine does not trust, and Secure Boot is on.', 'sudo mokutil --import /var/lib/dkms/mok.pub, restart, and enter the password you chose in the blue screen.'],
}

const RISK = 'It is code inside the kernel: a fault in it can stop the machine.'
const isObstacle = (module: ModuleScenario): module is ModuleObstacleId => module in obstacleWords

export const moduleLayer = (module: ModuleScenario): LayerStatus => {
  const base = {
    id: 'kernel-module' as const, title: 'Kernel module (agentmem.ko)', sources: ['/proc/agent_stats', '/sys/module/agentmem/refcnt', '/sys/module/agentmem/parameters'],
    requirement: 'Linux 6.1 or later with loadable modules, its headers, and DKMS; with Secure Boot a key that this machine trusts.',
  }
  if (isObstacle(module)) return { ...base, state: 'unavailable', summary: obstacleWords[module].join(' '), savesBytes: missing('not-measured', 'it is not loaded'), cost: 'Nothing: it is not loaded.' }
  if (module === 'off') return { ...base, state: 'off', summary: 'Built for this kernel (0.1.0), not loaded. Programs keep their units in the broker.', savesBytes: known(0), cost: `Nothing while it is not loaded. ${RISK}` }
  const compressing = module === 'no-compressor' ? 'nothing is compressed: this kernel lacks the compressor it was loaded with' : 'compressed by zstd-scomp'
  return {
    ...base, state: 'on', cost: `CPU time when units are compressed and read again. ${RISK}`,
    summary: module === 'idle' ? `Loaded; no program keeps units in it now (${compressing}).` : `2 agents with 19 units: 446 MB held, 158 MB resident, 35 MB ${compressing}.`,
    savesBytes: known(module === 'idle' ? 0 : 253 * 1024 ** 2),
  }
}

export const moduleCapability = (module: ModuleScenario): Capability => ({
  id: 'kernel-module', layer: 'kernel-module', title: 'Units kept by the kernel (agentmem.ko)', needs: 'Linux 6.1, CONFIG_MODULES, headers and DKMS; a trusted key with Secure Boot', available: !isObstacle(module),
  has: `Linux 6.12: ${isObstacle(module) ? obstacleWords[module][0] : module === 'off' ? 'built for this kernel, not loaded' : 'loaded'}`, advice: isObstacle(module) ? obstacleWords[module][1] : '',
})
