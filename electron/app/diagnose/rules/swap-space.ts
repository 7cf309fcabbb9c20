import { amount, counted, percent, times } from '../../amounts.ts'
import { above, below, figure, historyOf, is } from '../figures.ts'
import { needsMeminfo, needsSysctl } from '../needs.ts'
import type { Rule } from '../rule.ts'
import { lastOf, numberIn } from '../series.ts'
import { define } from './define.ts'
import { availablePercent, costOf, hasCompressedSwap, idleAgents, MB, mem, percentOf, swapSize, swapUsed, totalOf, vm, zswapOn } from './kit.ts'
import { advice, command, compressedSwapOn, endUnneeded, leaveIt, MACHINE, moreAgents, pageOutIdle, preferCompressedSwap, suspendIdle, trial, tunable } from './offers.ts'

/** Whether there is swap, of which kind, how full, and in which order it is used. */

const none = define({
  id: 'swap.none',
  topic: 'swap',
  title: 'There is no swap: idle memory cannot go anywhere',
  needs: [needsMeminfo('MemTotal', 'MemAvailable', 'AnonPages')],
  thresholds: { swapBytes: 0, warnAvailablePercent: 25 },
  because: 'Documentation/admin-guide/mm/concepts.rst: without swap, anonymous memory (what programs allocate) cannot be reclaimed at all. Measured: paging out 25 idle agents gave back 4.4 GB with compressed swap and nothing without.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    if (mem(look, 'SwapTotal') > limit.swapBytes) return []
    const idle = idleAgents(look, 60_000)
    const held = idle.length === 0 ? '' : ` ${amount(costOf(idle))} of it belong to agents that only wait for you.`
    return [{
      subject: '',
      severity: availablePercent(look) < limit.warnAvailablePercent ? 'warning' : 'advice',
      explanation: `Programs hold ${amount(mem(look, 'AnonPages'))} of their own data. Without swap (a place for memory that is not in use) all of it stays in memory, even what nobody has touched for hours.${held} Only the file cache can be given back. That is also why memory does not fall after "page out" or a limit.`,
      figures: [
        figure({ what: 'Swap devices', value: look.swapDevices.length, unit: 'count', source: '/proc/swaps', threshold: is(0) }),
        figure({ what: 'Data of programs that must stay', value: mem(look, 'AnonPages'), unit: 'bytes', source: '/proc/meminfo AnonPages', history: historyOf(looks, (each) => each.meminfo['AnonPages']) }),
        figure({ what: 'Available memory', value: mem(look, 'MemAvailable'), unit: 'bytes', source: '/proc/meminfo MemAvailable' }),
      ],
      solutions: [compressedSwapOn(), moreAgents(), command({
        id: 'swap-file',
        title: 'Add a swap file on the disk',
        what: 'Makes a file of 4 GB and uses it as swap.',
        tradeOff: 'Slow to read back, and it gave back almost nothing in measurements (0.1 GB of 6.8), because pages stay in memory until it is really tight.',
        sideEffects: 'What programs hold in memory, keys and conversations included, is written to the disk as it is.',
        scope: MACHINE,
      }, 'sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile', true, 'sudo swapoff /swapfile && sudo rm /swapfile')],
    }]
  },
  lookDeeper: [],
})

const nearlyFull = define({
  id: 'swap.nearly-full',
  topic: 'swap',
  title: 'Swap is nearly full',
  appliesTo: (looks) => lastOf(looks).swapDevices.length > 0,
  needs: [],
  thresholds: { usedPercent: 90, criticalAvailablePercent: 10 },
  because: 'Once swap is full, programs\' own data can no longer go anywhere and every further request is paid with file cache, then with an OOM kill. systemd-oomd ends programs from 90 % on (oomd.conf, SwapUsedLimit).',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const share = percentOf(swapUsed(look), swapSize(look))
    if (share <= limit.usedPercent) return []
    return [{
      subject: '',
      severity: availablePercent(look) < limit.criticalAvailablePercent ? 'critical' : 'warning',
      explanation: `${amount(swapUsed(look))} of ${amount(swapSize(look))} swap are in use (${percent(share)}). When it is full, idle memory has nowhere to go any more: the kernel then drops the files that programs run from, and in the end it ends a program.`,
      figures: [
        figure({ what: 'Swap in use', value: share, unit: 'percent', source: '/proc/swaps', threshold: above(limit.usedPercent), history: historyOf(looks, (each) => percentOf(swapUsed(each), swapSize(each))) }),
        figure({ what: 'Left in swap', value: swapSize(look) - swapUsed(look), unit: 'bytes', source: '/proc/swaps' }),
      ],
      solutions: [
        endUnneeded(),
        trial({
          id: 'larger-swap',
          title: 'Add larger compressed swap',
          what: 'Adds compressed swap as large as your memory beside what there is.',
          tradeOff: 'What is compressed still takes about a third to a half of its size in memory.',
          sideEffects: 'Compressing takes CPU time when it fills.',
          scope: MACHINE,
        }, { compressedSwap: { mode: 'auto', compressors: ['zstd', 'lz4', 'lzo-rle', 'lzo'], sizePercentOfMemory: 100, poolPercent: 40, shrinker: false } }),
        suspendIdle(),
      ],
    }]
  },
  lookDeeper: ['bpftrace.swap-in'],
})

const diskOf = (path: string): string => path.replace(/^\/dev\//u, '')

const onlyDisk = define({
  id: 'swap.only-disk',
  topic: 'swap',
  title: 'Swap lies on a disk only: little is won, and waking is slow',
  appliesTo: (looks) => lastOf(looks).swapDevices.length > 0,
  needs: [],
  thresholds: { usedBytes: 256 * MB },
  because: 'Measured on 25 idle agents: page out to plain disk swap gave back 0.12 GB, to compressed swap 4.4 GB; pages stay in the swap cache. A disk answers in 0.1 to 10 ms, unpacking a page takes microseconds.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    if (zswapOn(look) || look.swapDevices.some((device) => device.kind === 'zram') || swapUsed(look) <= limit.usedBytes) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${amount(swapUsed(look))} of programs' memory lie on ${look.swapDevices.map((device) => diskOf(device.path)).join(', ')}. Every page that is needed again is waited for until the disk has read it. ${amount(mem(look, 'SwapCached'))} of them are in memory as well, because the kernel keeps a copy as long as it can. Compressed swap in memory wins more and answers a thousand times faster.`,
      figures: [
        figure({ what: 'In swap on disk', value: swapUsed(look), unit: 'bytes', source: '/proc/swaps', threshold: above(limit.usedBytes), history: historyOf(looks, swapUsed) }),
        figure({ what: 'Both in swap and in memory', value: mem(look, 'SwapCached'), unit: 'bytes', source: '/proc/meminfo SwapCached' }),
      ],
      solutions: [compressedSwapOn(), trial({
        id: 'zswap-before-disk',
        title: 'Compress before it goes to the disk (zswap)',
        what: 'Switches on zswap: pages on their way to swap are kept compressed in up to a fifth of memory; the disk is used only when that is full.',
        tradeOff: 'Up to a fifth of memory is taken by what is compressed.',
        sideEffects: 'Compressing takes some CPU time.',
        scope: MACHINE,
      }, { compressedSwap: { mode: 'zswap', compressors: ['lz4', 'lzo-rle', 'zstd', 'lzo'], poolPercent: 20, shrinker: false } }), leaveIt('Leave it', 'Fine where what lies there is never needed again.', 'The first use of it will be slow.')],
    }]
  },
  lookDeeper: ['bpftrace.swap-in', 'perf.major-faults'],
})

const order = define({
  id: 'swap.order',
  topic: 'swap',
  title: 'Swap on disk is filled before compressed swap',
  appliesTo: (looks) => lastOf(looks).swapDevices.length > 1,
  needs: [],
  thresholds: {},
  because: 'swapon(8): devices are filled in the order of their priority, equal ones in turns. Compressed swap in memory is the faster one, so it belongs first.',
  find: (looks) => {
    const look = lastOf(looks)
    const zram = look.swapDevices.filter((device) => device.kind === 'zram')
    const best = Math.max(...zram.map((device) => device.priority))
    return look.swapDevices.filter((device) => device.kind !== 'zram' && zram.length > 0 && device.priority >= best).map((device) => ({
      subject: device.path,
      severity: 'advice',
      explanation: `${device.path} has priority ${device.priority}, the compressed swap ${best}: the kernel uses the higher one first${device.priority === best ? ', and equal ones in turns' : ''}. So pages go to the slow disk although there is room in the fast one.`,
      figures: [
        figure({ what: `Priority of ${device.path}`, value: device.priority, unit: 'count', source: '/proc/swaps', threshold: { kind: 'above', value: best - 1 } }),
        figure({ what: 'Already on the disk', value: device.usedBytes, unit: 'bytes', source: '/proc/swaps' }),
      ],
      solutions: [
        command({
          id: 'lower-disk-priority',
          title: 'Let the disk be used last',
          what: 'Takes the disk out and adds it again with the lowest priority.',
          tradeOff: `What lies there, ${amount(device.usedBytes)}, is read back into memory first: it must fit.`,
          sideEffects: 'The machine is slow while it is read back.',
          scope: MACHINE,
        }, `sudo swapoff ${device.path} && sudo swapon --priority 0 ${device.path}`, true, `sudo swapoff ${device.path} && sudo swapon --priority ${Math.max(0, device.priority)} ${device.path}`),
        advice({
          id: 'fstab-priority',
          title: 'Set the order for good',
          what: `In /etc/fstab write "pri=0" into the options of ${device.path}; in the settings of your compressed swap (zram-generator: swap-priority) a number such as 100.`,
          tradeOff: 'Takes effect at the next restart only.',
          sideEffects: 'None.',
          scope: MACHINE,
        }),
      ],
    }))
  },
  lookDeeper: [],
})

const swappinessLow = define({
  id: 'swap.swappiness-low',
  topic: 'swap',
  title: 'The kernel is told to avoid swap that is cheap to use',
  appliesTo: (looks) => hasCompressedSwap(lastOf(looks)),
  needs: [needsSysctl(vm('swappiness'))],
  thresholds: { swappiness: 60 },
  because: 'Documentation/admin-guide/sysctl/vm.rst: swappiness weighs the cost of swapping against that of reading files again; 100 means equal, and "for in-memory swap, like zram or zswap" values beyond 100 can be considered. The default is 60; less is old advice for disks.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const now = numberIn(look.sysctl, vm('swappiness'))
    if (now === null || now >= limit.swappiness) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `vm.swappiness is ${counted(now)}. It says how dear swapping is compared to reading a file again: 100 is equal, less makes the kernel drop files first. Low values were advice for slow disks; your swap is compressed memory, which is faster than any disk. So files in use are dropped while idle data of programs stays.`,
      figures: [
        figure({ what: 'vm.swappiness', value: now, unit: 'count', source: vm('swappiness'), threshold: below(limit.swappiness) }),
        figure({ what: 'Data of programs not used lately', value: mem(look, 'Inactive(anon)'), unit: 'bytes', source: '/proc/meminfo Inactive(anon)' }),
      ],
      solutions: [preferCompressedSwap(now), tunable({
        id: 'default-swappiness',
        title: 'Go back to the default',
        what: `Sets vm.swappiness from ${counted(now)} to 60.`,
        tradeOff: 'Files are still dropped a little earlier than compressed swap is used.',
        sideEffects: 'None known.',
      }, { swappiness: 60 }), pageOutIdle()],
    }]
  },
  lookDeeper: [],
})

const pageCluster = define({
  id: 'swap.page-cluster',
  topic: 'swap',
  title: 'More pages are unpacked from swap than were asked for',
  appliesTo: (looks) => hasCompressedSwap(lastOf(looks)),
  needs: [needsSysctl(vm('page-cluster')), needsMeminfo('MemTotal')],
  thresholds: { pageCluster: 0, usedPercentOfMemory: 10 },
  because: 'Documentation/admin-guide/sysctl/vm.rst: 2^page-cluster pages are read from swap at a time; "lower values mean lower latencies for initial faults". Reading ahead pays for disks that must seek. Compressed memory has no seeks; on a test machine 938 of 6.5 million pages read ahead were ever used.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const now = numberIn(look.sysctl, vm('page-cluster')) ?? 0
    const used = swapUsed(look)
    if (now <= limit.pageCluster || percentOf(used, totalOf(look)) <= limit.usedPercentOfMemory) return []
    const ahead = look.vmstat['swap_ra']
    const hit = look.vmstat['swap_ra_hit']
    return [{
      subject: '',
      severity: 'advice',
      explanation: `For every page that a program needs back from swap, up to ${counted(2 ** now)} neighbours are unpacked with it (vm.page-cluster is ${now}). On a disk that saves time. Compressed swap has ${amount(used)} here, and unpacking what nobody asked for costs CPU time and fills memory again.${ahead !== undefined && hit !== undefined && ahead > 0 ? ` Since the machine started, ${percent(percentOf(hit, ahead))} of what was read ahead was used.` : ''}`,
      figures: [
        figure({ what: 'vm.page-cluster', value: now, unit: 'count', source: vm('page-cluster'), threshold: above(limit.pageCluster) }),
        figure({ what: 'In compressed swap, of memory', value: percentOf(used, totalOf(look)), unit: 'percent', source: '/proc/swaps', threshold: above(limit.usedPercentOfMemory) }),
      ],
      solutions: [
        tunable({ id: 'one-page', title: 'Unpack only what is asked for', what: 'Sets vm.page-cluster to 0: one page at a time.', tradeOff: 'A program that needs all of its memory back at once asks more often.', sideEffects: 'None known for compressed swap.' }, { pageCluster: 0 }),
        tunable({ id: 'two-pages', title: 'Unpack two at a time', what: 'Sets vm.page-cluster to 1, the middle way.', tradeOff: 'Every second page may be unpacked for nothing.', sideEffects: 'None known.' }, { pageCluster: 1 }),
      ],
    }]
  },
  lookDeeper: ['bpftrace.swap-in'],
})

const zramTooLarge = define({
  id: 'swap.zram-too-large',
  topic: 'swap',
  title: 'Compressed swap is larger than it can ever hold',
  appliesTo: (looks) => lastOf(looks).zram.length > 0,
  needs: [needsMeminfo('MemTotal')],
  thresholds: { percentOfMemory: 200 },
  because: 'Documentation/admin-guide/blockdev/zram.rst: "There is little point creating a zram of greater than twice the size of memory since we expect a 2:1 compression ratio."',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const size = look.zram.reduce((sum, device) => sum + device.diskSizeBytes, 0)
    const share = percentOf(size, totalOf(look))
    if (share <= limit.percentOfMemory) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Compressed swap (zram) promises room for ${amount(size)}, ${times(share / 100)} times the ${amount(totalOf(look))} there are. What is compressed stays in memory: at the usual two to one, memory is full long before this swap is, and no program is told that it gets tight.`,
      figures: [figure({ what: 'Size of compressed swap, of memory', value: share, unit: 'percent', source: '/sys/block/zram*/disksize', threshold: above(limit.percentOfMemory) })],
      solutions: [
        advice({ id: 'smaller-zram', title: 'Make it smaller', what: 'In the program that sets it up (zram-generator: zram-size = ram / 2; zram-tools: PERCENT=50) choose a half to the whole of memory.', tradeOff: 'Takes effect at the next restart.', sideEffects: 'None.', scope: MACHINE }),
        trial({ id: 'ours-beside', title: 'Use compressed swap of half your memory beside it', what: 'Adds compressed swap of this program\'s, used first because of its priority.', tradeOff: 'The old one stays and may still fill.', sideEffects: 'None known.', scope: MACHINE }, { compressedSwap: { mode: 'auto', sizePercentOfMemory: 50 } }),
        leaveIt('Leave it', 'Harmless as long as it is not filled.', 'A runaway program fills memory before swap is full.'),
      ],
    }]
  },
  lookDeeper: [],
})

export const swapSpace: readonly Rule[] = [none, nearlyFull, onlyDisk, order, swappinessLow, pageCluster, zramTooLarge]
