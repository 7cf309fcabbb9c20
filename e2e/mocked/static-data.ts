import { readdirSync, readFileSync } from 'node:fs'
import type { InstallPlan, MachineView } from '../../electron/contract/views.ts'
import type { LayerStatus } from '../../helper/contract/layers.ts'
import { presetSchema, type Preset } from '../../helper/contract/presets.ts'
import type { Capability } from '../../helper/contract/probe.ts'
import { known, missing } from '../../helper/contract/known.ts'
import { KERNEL } from './machine.ts'
import { moduleCapability, moduleLayer, type ModuleScenario } from './module-data.ts'

const presetFolder = new URL('../../assets/presets/', import.meta.url)

/** The presets that ship, as they ship. */
export const builtInPresets = (): Preset[] =>
  readdirSync(presetFolder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => presetSchema.parse(JSON.parse(readFileSync(new URL(name, presetFolder), 'utf8'))))

export interface Switched {
  swapOn: boolean
  ksmOn: boolean
  module: ModuleScenario
}

const layers = (ksm: boolean, poolBytes: number, storedBytes: number, { swapOn, ksmOn, module }: Switched): LayerStatus[] => [
  { id: 'shared-memory', title: 'Shared memory (memfd)', state: 'unavailable', summary: 'Agents cannot share equal content yet; a later version brings it.', requirement: 'Linux 3.17', savesBytes: missing('not-measured'), cost: 'nothing', sources: [] },
  { id: 'mapped-store', title: 'Mapped store', state: 'unavailable', summary: 'Not part of this version yet.', requirement: 'a disk with room', savesBytes: missing('not-measured'), cost: 'disk space', sources: [] },
  {
    id: 'compressed-swap',
    title: storedBytes > 0 ? 'Compressed swap (zram)' : 'Compressed swap (zswap or zram)',
    state: swapOn ? 'on' : 'off',
    summary: storedBytes > 0 ? `Holds ${Math.round(storedBytes / 1024 ** 2)} MB of idle pages in ${Math.round(poolBytes / 1024 ** 2)} MB.` : swapOn ? 'On, and holds nothing yet.' : 'Nothing is compressed: there is no swap. A preset can add one in memory.',
    requirement: 'Linux 3.14 with zram, or zswap with a swap file',
    savesBytes: storedBytes > 0 ? known(storedBytes - poolBytes) : known(0),
    cost: storedBytes > 0 ? 'Waking a page takes 10 to 30 µs' : 'nothing while it is off',
    sources: ['/proc/swaps', '/sys/block/zram0/mm_stat', '/sys/module/zswap/parameters/enabled'],
  },
  {
    id: 'ksm',
    title: 'Merging equal pages (KSM)',
    state: ksmOn ? 'on' : ksm ? 'off' : 'unavailable',
    summary: ksmOn ? 'Scanning for equal pages.' : ksm ? 'Not scanning, nothing is merged.' : 'This kernel was built without KSM: there is no /sys/kernel/mm/ksm. Debian and Ubuntu kernels have it.',
    requirement: 'A kernel with CONFIG_KSM; Linux 6.4 to reach launched programs, 6.7 to keep that over exec.',
    savesBytes: ksm ? known(0) : missing('not-supported', 'There is no /sys/kernel/mm/ksm.'),
    cost: ksm ? 'No CPU time while it does not scan. Security: a program could find out, by timing writes, that another merged program holds the same page.' : 'Nothing.',
    sources: ['/sys/kernel/mm/ksm/run', '/sys/kernel/mm/ksm/general_profit'],
  },
  moduleLayer(module),
]

const capabilities = (ksm: boolean, module: ModuleScenario): Capability[] => [
  moduleCapability(module),
  { id: 'ksm', layer: 'ksm', title: 'Merging equal pages (KSM)', needs: 'CONFIG_KSM', has: ksm ? 'Linux 6.12: run is 0' : 'Linux 6.12: no /sys/kernel/mm/ksm; CONFIG_KSM is not set', available: ksm, advice: ksm ? '' : "Use a distribution kernel that has it; Debian's and Ubuntu's generic ones do." },
  { id: 'ksm.advisor', layer: 'ksm', title: 'A scan rate that the kernel adapts itself (KSM advisor)', needs: 'Linux 6.8, CONFIG_KSM', has: 'Linux 6.12: advisor_mode is none', available: ksm, advice: ksm ? '' : 'Use a kernel with CONFIG_KSM.' },
  { id: 'zswap', layer: 'compressed-swap', title: 'Compressed cache in front of swap (zswap)', needs: 'Linux 3.11, CONFIG_ZSWAP', has: 'Linux 6.12: there, not enabled', available: true, advice: '' },
  { id: 'zram', layer: 'compressed-swap', title: 'Compressed swap in memory (zram)', needs: 'Linux 3.14, CONFIG_ZRAM', has: 'Linux 6.12: 1 device', available: true, advice: '' },
  { id: 'zram.hot-add', layer: 'compressed-swap', title: 'Adding a zram device while running', needs: 'Linux 4.2, CONFIG_ZRAM', has: 'Linux 6.12: no /sys/class/zram-control/hot_add', available: false, advice: 'An unused zram device is taken where there is one.' },
  { id: 'reclaim.cgroup', layer: 'reclaim', title: 'Paging out one agent through its cgroup (memory.reclaim)', needs: 'Linux 5.19, cgroup v2 with the memory controller', has: 'Linux 6.12: memory.reclaim is there', available: true, advice: '' },
  { id: 'reclaim.process-madvise', layer: 'reclaim', title: 'Paging out another process (process_madvise)', needs: 'Linux 5.10, CONFIG_ADVISE_SYSCALLS, root', has: 'Linux 6.12: the system call is there; it needs the system helper', available: true, advice: '' },
  { id: 'prune-cache', layer: 'prune-cache', title: 'Dropping the file cache', needs: 'Linux 2.6.16, root', has: 'Linux 6.12: possible through the system helper', available: true, advice: '' },
  { id: 'pressure', layer: 'measuring', title: 'Memory pressure (PSI)', needs: 'Linux 4.20, CONFIG_PSI, not booted with psi=0', has: 'Linux 6.12: /proc/pressure/memory', available: true, advice: '' },
]

export const machineView = (ksm: boolean, privileged: boolean, poolBytes: number, storedBytes: number, switched: Switched): MachineView => ({
  kernelRelease: KERNEL,
  capabilities: capabilities(ksm, switched.module),
  layers: layers(ksm, poolBytes, storedBytes, switched),
  privileged,
})

const script = `#!/bin/sh
# Installs the Agent Memory Center helper. Everything it writes is listed below.
set -eu
install -d -m 0755 /usr/lib/agentmem
tar -xf "$1" -C /usr/lib/agentmem --no-same-owner
install -m 0644 system/org.agentmem.policy /usr/share/polkit-1/actions/
install -m 0644 system/org.agentmem.Helper1.conf /usr/share/dbus-1/system.d/
install -m 0644 system/org.agentmem.Helper1.service /usr/share/dbus-1/system-services/
install -m 0644 system/agentmem-helper.service /usr/lib/systemd/system/
systemctl daemon-reload || true
`

export const installPlan = (installed: boolean): InstallPlan => ({
  installed,
  files: [
    { path: '/usr/lib/agentmem/', what: 'The helper and its own Node, readable by all, writable by root only', sizeBytes: 118_400_000, mode: '0755' },
    { path: '/usr/share/polkit-1/actions/org.agentmem.policy', what: 'Which action asks for which password', sizeBytes: 3120, mode: '0644' },
    { path: '/usr/share/dbus-1/system.d/org.agentmem.Helper1.conf', what: 'Who may speak to the helper', sizeBytes: 980, mode: '0644' },
    { path: '/usr/share/dbus-1/system-services/org.agentmem.Helper1.service', what: 'Starts the helper when it is called', sizeBytes: 160, mode: '0644' },
    { path: '/usr/lib/systemd/system/agentmem-helper.service', what: 'Runs it with as few rights as it can do with', sizeBytes: 1240, mode: '0644' },
  ],
  script,
  scriptSha256: 'c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2',
  command: 'sudo sh ~/.cache/agentmem/install.sh ~/.cache/agentmem/helper.tar',
  problem: null,
})
