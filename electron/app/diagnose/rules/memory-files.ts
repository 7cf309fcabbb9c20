import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, percent } from '../../amounts.ts'
import { above, figure, historyOf } from '../figures.ts'
import { needsMeminfo } from '../needs.ts'
import type { Offer, Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { define } from './define.ts'
import { GB, MB, mem, percentOf, processSubject, processWords, totalOf } from './kit.ts'
import { advice, command, compressedSwapOn, leaveIt, moreMemory } from './offers.ts'

/** Files that live in memory: tmpfs, memfd and other shared memory. */

const quoted = (path: string): string => `'${path.replaceAll('\'', String.raw`'\''`)}'`

const listFiles = (folder: string): Offer => command({
  id: 'list-files',
  title: 'See which files are large',
  what: `Lists what lies in ${folder}, the largest last.`,
  tradeOff: 'Takes a look at a terminal; then delete what nobody needs.',
  sideEffects: 'Only reads. A deleted file that a program still has open keeps its memory until that program ends.',
  scope: folder,
}, `du -ahx ${quoted(folder)} | sort -h | tail -n 20`, false, 'There is nothing to undo.', 'nothing-to-undo')

const elsewhere = (folder: string): Offer => advice({
  id: 'use-the-disk',
  title: 'Put large files on a disk',
  what: folder === '/tmp' ? 'Set TMPDIR to a folder on a disk (such as /var/tmp) for builds and downloads, or mount /tmp from the disk: sudo systemctl mask tmp.mount, then restart.' : 'Tell the program that writes there to use a folder on a disk, such as /var/tmp.',
  tradeOff: 'Reading and writing goes to the disk; what is read lately is still cached.',
  sideEffects: 'Files on a disk survive a restart: something else must clean them up.',
  scope: 'The programs that write there',
})

const usedOf = (look: Evidence, folder: string): number | null => look.memoryFileSystems.find((fs) => fs.folder === folder)?.usedBytes.value ?? null

const tmpfs = define({
  id: 'memory-files.tmpfs',
  topic: 'memory-files',
  title: 'Files in a folder that lives in memory take much of it',
  needs: [needsMeminfo('MemTotal')],
  thresholds: { percentOfMemory: 5, bytes: 512 * MB, warnPercentOfMemory: 15 },
  because: 'Documentation/filesystems/tmpfs.rst: "tmpfs puts everything into the kernel internal caches" and its pages can go nowhere but to swap. /tmp, /run and /dev/shm are such folders on most systems.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return look.memoryFileSystems.flatMap((fs) => {
      const bytes = fs.usedBytes.value ?? 0
      const share = percentOf(bytes, totalOf(look))
      if (fs.type === 'hugetlbfs' || bytes <= limit.bytes || share <= limit.percentOfMemory) return []
      return [{
        subject: fs.folder,
        severity: share > limit.warnPercentOfMemory ? 'warning' as const : 'advice' as const,
        title: `Files in ${fs.folder} take ${amount(bytes)} of memory`,
        explanation: `${fs.folder} is no folder on a disk: what is written there stays in memory (${fs.type}). ${amount(bytes)}, ${percent(share)} of memory, lie there now${fs.sizeBytes.value === null ? ' and nothing limits it' : ` of at most ${amount(fs.sizeBytes.value)}`}. The kernel cannot drop these files as it drops others, since they are nowhere else${look.swapDevices.length === 0 ? ', and without swap they cannot leave memory at all' : '; only swap can take them'}. Tools count them as "shared" or as cache, so no program shows them.`,
        figures: [
          figure({ what: `Held by files in ${fs.folder}`, value: bytes, unit: 'bytes', source: `statfs ${fs.folder}`, threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))), history: historyOf(looks, (each) => usedOf(each, fs.folder)) }),
          figure({ what: 'Of all memory', value: share, unit: 'percent', source: `statfs ${fs.folder}` }),
        ],
        solutions: [listFiles(fs.folder), elsewhere(fs.folder), command({
          id: 'limit-size',
          title: 'Limit how large it may get',
          what: `Sets a limit of ${amount(Math.max(bytes, Math.round(totalOf(look) / 10)))}: who writes more gets "no space left" instead of the machine running out of memory.`,
          tradeOff: 'Programs that write there may fail.',
          sideEffects: 'Holds until the next restart; for good, size= in /etc/fstab or in tmp.mount.',
          scope: fs.folder,
        }, `sudo mount -o remount,size=${Math.ceil(Math.max(bytes, totalOf(look) / 10) / MB)}M ${quoted(fs.folder)}`, true, `sudo mount -o remount,size=${fs.sizeBytes.value === null ? '50%' : `${Math.ceil(fs.sizeBytes.value / MB)}M`} ${quoted(fs.folder)}`), ...(look.swapDevices.length === 0 ? [compressedSwapOn()] : [])],
      }]
    })
  },
  lookDeeper: ['bpftrace.shared-memory'],
})

const nearlyFull = define({
  id: 'memory-files.nearly-full',
  topic: 'memory-files',
  title: 'A folder that lives in memory is nearly full',
  appliesTo: (looks) => lastOf(looks).memoryFileSystems.length > 0,
  needs: [],
  thresholds: { usedPercent: 90, sizeBytes: 64 * MB },
  because: 'Documentation/filesystems/tmpfs.rst (size=): beyond it writing fails with "no space left on device", which builds and installers rarely explain.',
  find: (looks, limit) => lastOf(looks).memoryFileSystems.flatMap((fs) => {
    const used = fs.usedBytes.value
    const size = fs.sizeBytes.value
    if (fs.type !== 'tmpfs' || used === null || size === null || size <= limit.sizeBytes || percentOf(used, size) <= limit.usedPercent) return []
    return [{
      subject: fs.folder,
      severity: 'advice' as const,
      title: `${fs.folder} is nearly full`,
      explanation: `${amount(used)} of ${amount(size)} in ${fs.folder} are taken (${percent(percentOf(used, size))}). It lives in memory and has a limit of its own: at the limit, writing there fails with "no space left on device", though disk and memory have room.`,
      figures: [figure({ what: `${fs.folder}, of its limit`, value: percentOf(used, size), unit: 'percent', source: `statfs ${fs.folder}`, threshold: above(limit.usedPercent) }), figure({ what: 'Held there', value: used, unit: 'bytes', source: `statfs ${fs.folder}` })],
      solutions: [listFiles(fs.folder), elsewhere(fs.folder)],
    }]
  }),
  lookDeeper: [],
})

const memfd = define({
  id: 'memory-files.memfd',
  topic: 'memory-files',
  title: 'A program keeps much memory in files without a name',
  needs: [needsMeminfo('MemTotal')],
  thresholds: { bytes: 512 * MB, percentOfMemory: 3 },
  because: 'memfd_create(2): a file that lives in memory and has no folder; it is charged to whoever wrote it and stays as long as anybody has it open. Browsers, compositors and this program\'s broker share data that way.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return look.processes.flatMap((process) => {
      const bytes = process.memfdBytes.value ?? 0
      if (bytes <= limit.bytes || percentOf(bytes, totalOf(look)) <= limit.percentOfMemory || process.name.startsWith('agentmem')) return []
      return [{
        subject: processSubject(process),
        severity: 'advice' as const,
        title: `${process.title || process.name} keeps ${amount(bytes)} in files without a name`,
        explanation: `${processWords(process)} has memory files (memfd) of ${amount(bytes)} open. They are in no folder and need not be mapped by anybody, so "top" and its own size may not show them: in its own view it holds ${amount(process.rssBytes.value ?? 0)}. Only swap can take them, and they go when the last program that has them open closes them.`,
        figures: [figure({ what: 'In memory files it has open', value: bytes, unit: 'bytes', source: `/proc/${process.ref.pid}/fd`, threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))), history: historyOf(looks, (each) => each.processes.find((other) => processSubject(other) === processSubject(process))?.memfdBytes.value) })],
        solutions: [
          advice({ id: 'restart-it', title: 'Restart that program', what: 'Closes them all. If it grows again, it forgets to close them: tell its authors.', tradeOff: 'Its work is interrupted.', sideEffects: 'Other programs that have the same file open keep it.', scope: processWords(process) }, 'Start it again.'),
          command({ id: 'list-memfd', title: 'See which ones it has', what: 'Lists its memory files.', tradeOff: 'Takes a look at a terminal.', sideEffects: 'Only reads.', scope: processWords(process) }, `ls -lL --sort=size /proc/${process.ref.pid}/fd | head; ls -l /proc/${process.ref.pid}/fd | grep memfd`, false, 'There is nothing to undo.', 'nothing-to-undo'),
        ],
      }]
    })
  },
  lookDeeper: ['bpftrace.shared-memory'],
})

const shared = define({
  id: 'memory-files.shared-elsewhere',
  topic: 'memory-files',
  title: 'Much shared memory belongs to no folder',
  needs: [needsMeminfo('Shmem', 'MemTotal'), (looks) => (lastOf(looks).memoryFileSystems.length > 0 ? null : '/proc/mounts')],
  thresholds: { percentOfMemory: 15, bytes: GB },
  because: 'Shmem of /proc/meminfo less what the tmpfs mounts hold and less memory files: System V segments (shmget), shared anonymous mappings (PostgreSQL, browsers), graphics buffers.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const named = look.memoryFileSystems.reduce((sum, fs) => sum + (fs.type === 'tmpfs' || fs.type === 'devtmpfs' ? (fs.usedBytes.value ?? 0) : 0), 0)
    const memfds = look.processes.reduce((sum, process) => sum + (process.memfdBytes.value ?? 0), 0)
    const bytes = Math.max(0, mem(look, 'Shmem') - named - memfds)
    if (bytes <= limit.bytes || percentOf(bytes, totalOf(look)) <= limit.percentOfMemory) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${amount(mem(look, 'Shmem'))} are shared memory, of which ${amount(bytes)} are in no folder and in no program's open files. That is shared memory of databases (PostgreSQL, Oracle), browsers and graphics. A segment of the old kind (System V) stays even after all programs that used it have ended. Only swap can take it.`,
      figures: [
        figure({ what: 'Shared memory that belongs to no folder', value: bytes, unit: 'bytes', source: '/proc/meminfo Shmem less tmpfs and memfd', threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))) }),
        figure({ what: 'Shared memory in all', value: mem(look, 'Shmem'), unit: 'bytes', source: '/proc/meminfo Shmem', history: historyOf(looks, (each) => each.meminfo['Shmem']) }),
      ],
      solutions: [
        command({ id: 'list-segments', title: 'Look for segments nobody uses', what: 'Lists System V segments with their size and how many programs use each (nattch); one with 0 can go with ipcrm -m ID.', tradeOff: 'Takes a look at a terminal; a segment may be meant to wait for its program.', sideEffects: 'Only reads.', scope: 'Your segments' }, 'ipcs -m', false, 'There is nothing to undo.', 'nothing-to-undo'),
        moreMemory(),
        leaveIt('Leave it', 'Right for a database that is in use.', 'The memory stays taken.'),
      ],
    }]
  },
  lookDeeper: ['bpftrace.shared-memory'],
})

export const memoryFiles: readonly Rule[] = [tmpfs, nearlyFull, memfd, shared]
