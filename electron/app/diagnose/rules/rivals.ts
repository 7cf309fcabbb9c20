import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { counted, listed, percent } from '../../amounts.ts'
import { above, below, figure, is } from '../figures.ts'
import { needsMeminfo } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { define } from './define.ts'
import { availablePercent, ksmRuns, percentOf, swapSize, swapUsed, totalOf } from './kit.ts'
import { advice, command, compressedSwapOn, endUnneeded, leaveIt, limitAgents, MACHINE, suspendIdle } from './offers.ts'

/** Other services that tune memory or end programs for it. */

type Rival = Evidence['rivals'][number]
const rival = (look: Evidence, ...ids: readonly Rival['id'][]): Rival | undefined => look.rivals.find((each) => ids.includes(each.id) && each.running)
const runs = (...ids: readonly Rival['id'][]) => (looks: Looks): boolean => rival(lastOf(looks), ...ids) !== undefined
const textOf = (found: Rival | undefined): string => Object.values(found?.settings ?? {}).join('\n')

/** "systemctl stop" and the way back. */
const stopService = (unit: string, what: string, tradeOff: string) => command({
  id: `stop-${unit}`, title: `Stop ${unit}`, what, tradeOff, sideEffects: 'Until you start it again, or the next restart.', scope: MACHINE,
}, `sudo systemctl stop ${unit}`, true, `sudo systemctl start ${unit}`)

const tuned = define({
  id: 'rivals.tuned',
  topic: 'rivals',
  title: 'TuneD sets the same memory settings as this program',
  appliesTo: runs('tuned'),
  needs: [],
  thresholds: {},
  because: 'tuned-profiles(7): a profile writes vm.* and transparent huge pages when it starts and whenever it changes; with [sysctl] of power-saver profiles that includes dirty_* and swappiness. What one has tried, the other undoes.',
  find: (looks) => {
    const found = rival(lastOf(looks), 'tuned')
    const profile = Object.entries(found?.settings ?? {}).find(([path]) => path.endsWith('active_profile'))?.[1] ?? 'unknown'
    return [{
      subject: '',
      severity: 'information',
      explanation: `TuneD runs with the profile "${profile}". It writes settings of the kernel's memory too (swappiness, when to write to disk, huge pages), again at each change of profile, for instance when you unplug the laptop. What you try here may then be overwritten; it is shown as "changed by somebody else" when undone.`,
      figures: [figure({ what: 'TuneD\'s profile', value: profile, unit: 'text', source: '/etc/tuned/active_profile', threshold: is(profile) })],
      solutions: [
        advice({ id: 'own-profile', title: 'Put what helps into a profile of your own', what: `Make /etc/tuned/agents/tuned.conf with [main] include=${profile} and [sysctl] with the values you kept here, and choose it: sudo tuned-adm profile agents.`, tradeOff: 'Has to be kept up by hand.', sideEffects: 'None.', scope: MACHINE }, `sudo tuned-adm profile ${profile}`),
        stopService('tuned', 'Nobody overwrites what you try.', 'The profile\'s other settings, such as for saving power, go back to defaults.'),
      ],
    }]
  },
  lookDeeper: [],
})

/** SwapUsedLimit of oomd.conf in percent; 90 where it is left out. */
const swapLimitOf = (text: string): number => Number(/^\s*SwapUsedLimit\s*=\s*(\d{1,3})/mu.exec(text)?.[1] ?? 90)

const oomd = define({
  id: 'rivals.systemd-oomd',
  topic: 'rivals',
  title: 'systemd-oomd is about to end a whole group because swap is full',
  appliesTo: (looks) => swapSize(lastOf(looks)) > 0 && runs('systemd-oomd')(looks),
  needs: [needsMeminfo('MemTotal', 'MemAvailable')],
  thresholds: { percentOfItsLimit: 85 },
  because: 'oomd.conf(5): above SwapUsedLimit (90 %) of swap and as much of memory it ends every process of the group that uses most swap. Paging out idle agents fills compressed swap on purpose, which it cannot know.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const most = swapLimitOf(textOf(rival(look, 'systemd-oomd')))
    const used = percentOf(swapUsed(look), swapSize(look))
    if (percentOf(used, most) <= limit.percentOfItsLimit) return []
    const together = look.cgroups.value?.reduce((max, group) => Math.max(max, group.agents), 0) ?? 0
    return [{
      subject: '',
      severity: 'warning',
      explanation: `systemd-oomd runs. When more than ${percent(most)} of swap and of memory are used, it ends all processes of the group with most swap at once. Swap is at ${percent(used)}. Swap full of idle agents is what paging out is meant to do, but systemd-oomd takes it for an emergency${together > 1 ? `; ${counted(together)} agents are in one group, and would all be ended together` : ''}.`,
      figures: [
        figure({ what: 'Swap in use, of its limit', value: percentOf(used, most), unit: 'percent', source: '/proc/swaps, oomd.conf SwapUsedLimit', threshold: above(limit.percentOfItsLimit) }),
        figure({ what: 'Its limit', value: most, unit: 'percent', source: 'oomd.conf SwapUsedLimit' }),
        figure({ what: 'Memory in use', value: 100 - availablePercent(look), unit: 'percent', source: '/proc/meminfo MemAvailable' }),
      ],
      solutions: [
        { ...compressedSwapOn(), id: 'more-swap', title: 'Add more compressed swap' },
        advice({ id: 'leave-agents-out', title: 'Tell it to leave agents alone', what: 'systemctl --user edit app-agents.slice, with [Slice] ManagedOOMSwap=auto and ManagedOOMPreference=avoid.', tradeOff: 'When memory is really out, something else is ended.', sideEffects: 'None.', scope: 'Your agents' }, 'systemctl --user revert app-agents.slice'),
        advice({ id: 'raise-its-limit', title: 'Raise its limit', what: 'Write [OOM] SwapUsedLimit=98% into /etc/systemd/oomd.conf.d/agents.conf and restart it: sudo systemctl restart systemd-oomd.', tradeOff: 'It acts later when swap fills for a bad reason.', sideEffects: 'None.', scope: MACHINE }, 'Delete the file and restart it.'),
        endUnneeded(),
      ],
    }]
  },
  lookDeeper: [],
})

/** earlyoom acts when both available memory (-m) and free swap (-s) are below so many percent; 10 each where left out. */
const option = (text: string, letter: 'm' | 's'): number => Number(new RegExp(String.raw`(?:^|[\s"'=])-${letter}\s*(\d{1,3})`, 'u').exec(text)?.[1] ?? 10)

const earlyoom = define({
  id: 'rivals.earlyoom',
  topic: 'rivals',
  title: 'earlyoom is about to end a program',
  appliesTo: runs('earlyoom', 'nohang'),
  needs: [needsMeminfo('MemTotal', 'MemAvailable')],
  thresholds: { percentAboveItsLimit: 5 },
  because: 'earlyoom(1): ends the largest program once available memory and free swap are both below their limits (10 % each). Where paging out fills swap, only memory is left to hold it back.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const found = rival(look, 'earlyoom', 'nohang')
    const memory = option(textOf(found), 'm')
    const swapLimit = option(textOf(found), 's')
    const freeSwap = swapSize(look) === 0 ? 0 : 100 - percentOf(swapUsed(look), swapSize(look))
    if (availablePercent(look) >= memory + limit.percentAboveItsLimit || freeSwap > swapLimit + limit.percentAboveItsLimit) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${found?.id ?? 'earlyoom'} runs: it ends the program that holds most once less than ${percent(memory)} of memory are available and less than ${percent(swapLimit)} of swap are free. ${percent(availablePercent(look))} and ${percent(freeSwap)} are left. It knows nothing of agents: the largest is often the one that works for you.`,
      figures: [
        figure({ what: 'Available memory', value: availablePercent(look), unit: 'percent', source: '/proc/meminfo MemAvailable', threshold: below(memory + limit.percentAboveItsLimit) }),
        figure({ what: 'Free swap', value: freeSwap, unit: 'percent', source: '/proc/swaps', threshold: below(swapLimit + limit.percentAboveItsLimit) }),
      ],
      solutions: [suspendIdle(), endUnneeded(), advice({ id: 'its-preference', title: 'Say what it should prefer', what: 'In /etc/default/earlyoom add --avoid "(^|/)(claude|codex|gemini|opencode|sshd)$" --prefer "(^|/)(chrome|java)$" to EARLYOOM_ARGS and restart it.', tradeOff: 'Something else is ended instead.', sideEffects: 'None.', scope: MACHINE }), leaveIt('Leave it', 'It keeps the desktop from standing still.', 'A program may be ended.')],
    }]
  },
  lookDeeper: [],
})

const KILLERS = ['systemd-oomd', 'earlyoom', 'nohang', 'oomd'] as const

const severalKillers = define({
  id: 'rivals.several-killers',
  topic: 'rivals',
  title: 'Several services end programs when memory is short',
  appliesTo: runs(...KILLERS),
  needs: [],
  thresholds: { services: 1 },
  because: 'Each acts by its own measure and knows nothing of the others (earlyoom(1), systemd-oomd.service(8)): at one shortage two programs are ended instead of one.',
  find: (looks, limit) => {
    const running = lastOf(looks).rivals.filter((each) => each.running && (KILLERS as readonly string[]).includes(each.id)).map((each) => each.id)
    if (running.length <= limit.services) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${listed(running)} all run. Each watches memory by its own measure and ends programs when it is short, without knowing of the others, so one shortage may end several programs, or a whole group after the one that was enough.`,
      figures: [figure({ what: 'Services that end programs', value: running.length, unit: 'count', source: '/proc/PID/comm', threshold: above(limit.services) })],
      solutions: [
        stopService(running.find((id) => id !== 'systemd-oomd') ?? 'earlyoom', 'Leaves it to the other one.', 'What only this one did, such as preferring some programs, is gone.'),
        stopService('systemd-oomd', 'Leaves it to the other one.', 'Groups are no longer ended as a whole; on some desktops that is what keeps them alive.'),
      ],
    }]
  },
  lookDeeper: [],
})

const ZRAM_MAKERS = ['zram-generator', 'zram-tools', 'zramswap'] as const

const twoZrams = define({
  id: 'rivals.several-zram',
  topic: 'rivals',
  title: 'Compressed swap was set up twice',
  appliesTo: (looks) => lastOf(looks).rivals.some((each) => (ZRAM_MAKERS as readonly string[]).includes(each.id)),
  needs: [needsMeminfo('MemTotal')],
  thresholds: { devices: 1, percentOfMemory: 100 },
  because: 'Each compressed swap promises memory of its own: two of half your memory each promise all of it. zram.rst expects two to one.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const zram = look.swapDevices.filter((device) => device.kind === 'zram')
    const size = zram.reduce((sum, device) => sum + device.sizeBytes, 0)
    if (zram.length <= limit.devices || percentOf(size, totalOf(look)) <= limit.percentOfMemory) return []
    const makers = look.rivals.filter((each) => (ZRAM_MAKERS as readonly string[]).includes(each.id)).map((each) => each.id)
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${listed(makers)} set up compressed swap at start, and another one was added to it: ${listed(zram.map((device) => device.path))} together may hold ${percent(percentOf(size, totalOf(look)))} of memory. What they hold stays in memory, compressed; when both fill, memory runs out before swap does.`,
      figures: [
        figure({ what: 'Compressed swap, of memory', value: percentOf(size, totalOf(look)), unit: 'percent', source: '/proc/swaps', threshold: above(limit.percentOfMemory) }),
        figure({ what: 'Devices', value: zram.length, unit: 'count', source: '/proc/swaps', threshold: above(limit.devices) }),
      ],
      solutions: [
        { id: 'ours-off', title: 'Remove the one this program added', what: 'Takes it away once what it holds fits into memory.', tradeOff: 'Room for fewer idle agents.', sideEffects: 'What it held is read back.', scope: MACHINE, undo: 'by-run', undoWords: 'Undo adds it again.', act: { how: 'preset', presetId: 'layer-compressed-swap-off', agentIds: null } },
        advice({ id: 'theirs-off', title: 'Leave it to this program', what: `Remove the other one: ${makers.includes('zram-generator') ? 'an empty /etc/systemd/zram-generator.conf' : 'sudo apt remove zram-tools'}, then restart.`, tradeOff: 'Without this program running there is no compressed swap after a restart.', sideEffects: 'None.', scope: MACHINE }),
      ],
    }]
  },
  lookDeeper: [],
})

const ksmtuned = define({
  id: 'rivals.ksmtuned',
  topic: 'rivals',
  title: 'ksmtuned switches merging on and off by itself',
  appliesTo: runs('ksmtuned'),
  needs: [],
  thresholds: {},
  because: 'ksmtuned (qemu) writes /sys/kernel/mm/ksm/run and pages_to_scan every minute by how much memory virtual machines use: merging that was switched on here ends within a minute.',
  find: (looks) => {
    const look = lastOf(looks)
    return [{
      subject: '',
      severity: 'advice',
      explanation: `ksmtuned runs. Every minute it sets merging of equal pages (KSM) by how much memory virtual machines use, and switches it off when there are none. What you switch on here does not stay on for long; it is ${ksmRuns(look) ? 'on' : 'off'} at this moment. ksmtuned is installed with QEMU on some systems.`,
      figures: [figure({ what: 'ksmtuned', value: 'running', unit: 'text', source: '/proc/PID/comm', threshold: is('running') }), figure({ what: 'Merging', value: ksmRuns(look) ? 'on' : 'off', unit: 'text', source: '/sys/kernel/mm/ksm/run' })],
      solutions: [stopService('ksmtuned', 'Merging stays as you set it.', 'Virtual machines are no longer merged by need.'), leaveIt('Leave it to ksmtuned', 'Right where you mostly run virtual machines.', 'Agents are merged only when it wants to.')],
    }]
  },
  lookDeeper: [],
})

const swapspace = define({
  id: 'rivals.swapspace',
  topic: 'rivals',
  title: 'swapspace adds swap files on the disk by itself',
  appliesTo: runs('swapspace'),
  needs: [],
  thresholds: {},
  because: 'swapspace(8) makes swap files when memory and swap get full. They lie on the disk, unencrypted where the disk is, and are slow; compressed swap that fills is a reason for it to begin.',
  find: (looks) => {
    const look = lastOf(looks)
    return [{
      subject: '',
      severity: 'advice',
      explanation: `swapspace runs: when swap gets full it makes files of swap on the disk. Paging out idle agents fills compressed swap on purpose, so their memory, keys and conversations included, would then go to the disk, and be slow to come back. Swap is at ${percent(percentOf(swapUsed(look), swapSize(look)))}.`,
      figures: [figure({ what: 'swapspace', value: 'running', unit: 'text', source: '/proc/PID/comm', threshold: is('running') }), figure({ what: 'Swap in use', value: swapUsed(look), unit: 'bytes', source: '/proc/swaps' })],
      solutions: [stopService('swapspace', 'No swap files are made.', 'Should memory really run out, there is less to fall back on.'), { ...compressedSwapOn(), id: 'enough-compressed', title: 'Have enough compressed swap instead' }, limitAgents()],
    }]
  },
  lookDeeper: [],
})

export const rivals: readonly Rule[] = [tuned, oomd, earlyoom, severalKillers, twoZrams, ksmtuned, swapspace]
