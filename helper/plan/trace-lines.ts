/**
 * Everything that looking deeper can run: data, so that what is shown, what a
 * person types and what the helper starts cannot differ. Only numbers are put
 * in: a process and a time.
 */
export type TraceTool = 'perf' | 'ftrace' | 'bpftrace'

/** What a table is made of, from what ftrace saw. */
export type TraceTable = 'durations' | 'areas' | 'counts' | 'pauses'

/** needed: one process. optional: one, or the sums of all. none: the machine has but one of it. */
export type TraceProcess = 'needed' | 'optional' | 'none'

interface Common {
  /** `tool.subject`; rules name these. */
  readonly id: string
  readonly title: string
  readonly what: string
  readonly process: TraceProcess
  readonly secondsMost: number
}

export type TraceLineData = Common &
  (
    | { readonly tool: 'perf'; readonly count: readonly string[] }
    /** Which functions of the kernel the processors are in, 99 times a second: by name alone, not by program. */
    | { readonly tool: 'perf'; readonly kernelCpu: true }
    /** `events` are "folder/name" below events/; of those this kernel lacks nothing is seen. */
    | { readonly tool: 'ftrace'; readonly events: readonly string[]; readonly table: TraceTable }
    /** `script` gets what to ask for one process: " /pid == 12/", or nothing. */
    | { readonly tool: 'bpftrace'; readonly script: (ofProcess: string) => string }
  )

/** Numbers of one look. */
export interface TraceNumbers {
  readonly pid: number | null
  readonly seconds: number
}

const perf = (id: string, title: string, what: string, process: TraceProcess, count: readonly string[]): TraceLineData => ({ id: `perf.${id}`, tool: 'perf', title, what, process, secondsMost: 60, count })
const ftrace = (id: string, title: string, what: string, process: TraceProcess, table: TraceTable, events: readonly string[]): TraceLineData => ({ id: `ftrace.${id}`, tool: 'ftrace', title, what, process, secondsMost: 60, table, events })
const bpftrace = (id: string, title: string, what: string, process: TraceProcess, script: (ofProcess: string) => string): TraceLineData => ({ id: `bpftrace.${id}`, tool: 'bpftrace', title, what, process, secondsMost: 60, script })

export const traceLines: readonly TraceLineData[] = [
  perf('page-faults', 'Page faults', 'How often memory was touched that was not there yet, and how often that had to wait for the disk or for swap.', 'optional', ['page-faults', 'minor-faults', 'major-faults', 'context-switches']),
  perf('major-faults', 'Waiting for pages', 'How often memory had to be read back from disk or swap before a program could go on, beside what came into and left the cache of files.', 'optional', [
    'major-faults', 'filemap:mm_filemap_add_to_page_cache', 'filemap:mm_filemap_delete_from_page_cache', 'vmscan:mm_vmscan_write_folio', 'vmscan:mm_vmscan_writepage',
  ]),
  perf('kernel-allocations', "The kernel's own memory", 'How often the kernel takes memory for itself and gives it back: what is taken far more often than given back grows.', 'optional', [
    'kmem:kmalloc', 'kmem:kfree', 'kmem:kmem_cache_alloc', 'kmem:kmem_cache_free', 'kmem:mm_page_alloc', 'kmem:mm_page_free', 'kmem:mm_page_alloc_extfrag',
  ]),
  { id: 'perf.kernel-cpu', tool: 'perf', kernelCpu: true, title: 'What the kernel is busy with', what: 'Which functions of the kernel use the processors: reclaim, compaction, compression and merging show by their names.', process: 'none', secondsMost: 60 },
  ftrace('reclaim', 'Reclaim that held programs up', 'How long programs had to free memory themselves before they got some, and how often they were held up.', 'optional', 'durations', [
    'vmscan/mm_vmscan_direct_reclaim_begin', 'vmscan/mm_vmscan_direct_reclaim_end', 'vmscan/mm_vmscan_memcg_reclaim_begin', 'vmscan/mm_vmscan_memcg_reclaim_end', 'vmscan/mm_vmscan_throttled', 'vmscan/mm_vmscan_kswapd_wake',
  ]),
  ftrace('compaction', 'Moving pages together', 'How long the kernel moved pages to make large pieces, and how that ended.', 'optional', 'durations', ['compaction/mm_compaction_begin', 'compaction/mm_compaction_end', 'compaction/mm_compaction_deferred', 'compaction/mm_compaction_kcompactd_wake']),
  ftrace('huge-pages', 'Huge pages made', 'How often the kernel tried to make one page of 2 MB of many small ones, and how that ended.', 'none', 'counts', ['huge_memory/mm_collapse_huge_page', 'huge_memory/mm_khugepaged_scan_pmd']),
  ftrace('writeback', 'Writers held up', 'How long programs that write to files were held up because too much was unsaved.', 'optional', 'pauses', ['writeback/balance_dirty_pages']),
  ftrace('oom', 'Out of memory', 'Whether the kernel ended programs for lack of memory while it was looked, and how often it tried again before.', 'none', 'counts', ['oom/mark_victim', 'oom/reclaim_retry_zone', 'oom/compact_retry']),
  ftrace('page-faults', 'Where a program touches new memory', 'Which parts of a program fault pages in: its heap, a file it has mapped, the stack of a thread.', 'needed', 'areas', ['exceptions/page_fault_user']),
  bpftrace('direct-reclaim', 'How long reclaim holds programs up', 'A histogram of how long each had to free memory itself, in microseconds.', 'optional', (ofProcess) =>
    `tracepoint:vmscan:mm_vmscan_direct_reclaim_begin${ofProcess} { @start[tid] = nsecs; } tracepoint:vmscan:mm_vmscan_direct_reclaim_end /@start[tid]/ { @us = hist((nsecs - @start[tid]) / 1000); delete(@start[tid]); } END { clear(@start); }`),
  bpftrace('swap-in', 'How long reading from swap takes', 'A histogram of how long programs waited for a page from swap, in microseconds: compressed swap takes a few, a disk hundreds.', 'optional', (ofProcess) =>
    `kprobe:do_swap_page${ofProcess} { @start[tid] = nsecs; } kretprobe:do_swap_page /@start[tid]/ { @us = hist((nsecs - @start[tid]) / 1000); delete(@start[tid]); } END { clear(@start); }`),
  bpftrace('slab', "Who takes the kernel's memory", 'Which functions of the kernel take memory from its caches, in bytes, the largest last.', 'optional', (ofProcess) =>
    `tracepoint:kmem:kmem_cache_alloc${ofProcess} { @bytes[ksym(args->call_site)] = sum(args->bytes_alloc); } tracepoint:kmem:kmalloc${ofProcess} { @bytes[ksym(args->call_site)] = sum(args->bytes_alloc); } END { print(@bytes, 20); clear(@bytes); }`),
  bpftrace('shared-memory', 'Memory files made and grown', 'How often memory files are made, and to what size they are set.', 'optional', (ofProcess) =>
    `tracepoint:syscalls:sys_enter_memfd_create${ofProcess} { @made = count(); } tracepoint:syscalls:sys_enter_ftruncate${ofProcess} { @set_to_bytes = hist(args->length); } tracepoint:syscalls:sys_enter_fallocate${ofProcess} { @filled_bytes = hist(args->len); }`),
  bpftrace('page-faults', 'Page faults of each thread', 'Which threads of a program touch memory that is not there yet.', 'needed', (ofProcess) => `software:page-faults:1${ofProcess} { @faults[comm, tid] = count(); }`),
  bpftrace('growth', 'How a program asks for memory', 'Sizes a program maps and gives back: what is asked for in many small pieces and never given back is how leaks look.', 'needed', (ofProcess) =>
    `tracepoint:syscalls:sys_enter_mmap${ofProcess} { @mapped_bytes = hist(args->len); } tracepoint:syscalls:sys_enter_munmap${ofProcess} { @given_back_bytes = hist(args->len); } tracepoint:syscalls:sys_enter_brk${ofProcess} { @brk = count(); }`),
]

export const traceLine = (id: string): TraceLineData | null => traceLines.find((line) => line.id === id) ?? null

/** Whole numbers in their range, or a bug: they come from a schema. */
const whole = (value: number, least: number, most: number): string => {
  if (!Number.isSafeInteger(value) || value < least || value > most) throw new RangeError(`expected a whole number from ${least} to ${most}, got ${value}`)
  return String(value)
}
export const pidText = (pid: number): string => whole(pid, 1, 4_194_304)
export const secondsText = (seconds: number): string => whole(seconds, 1, 60)

/** Arguments of `perf stat`; `events` are those this kernel has. */
export const perfStatArguments = (events: readonly string[], { pid, seconds }: TraceNumbers): string[] => [
  'stat', '-e', events.join(','),
  // Without children: one of them may be a program with more rights.
  ...(pid === null ? ['-a'] : ['--no-inherit', '-p', pidText(pid)]),
  '--', 'sleep', secondsText(seconds),
]

/** The kernel's functions alone (":k"), without files of programs (-B, -N). */
export const perfRecordArguments = ({ seconds }: TraceNumbers, file: string): string[] => ['record', '-a', '-q', '-e', 'cpu-clock:k', '-F', '99', '-B', '-N', '-o', file, '--', 'sleep', secondsText(seconds)]
export const perfReportArguments = (file: string): string[] => ['report', '-i', file, '--stdio', '--ignore-vmlinux', '--sort', 'symbol', '--percent-limit', '0.5']

export const bpftraceScript = (line: Extract<TraceLineData, { tool: 'bpftrace' }>, { pid, seconds }: TraceNumbers): string =>
  `${line.script(pid === null ? '' : ` /pid == ${pidText(pid)}/`)} interval:s:${secondsText(seconds)} { exit(); }`

/** Where the kernel shows its tracing. */
export const TRACEFS = '/sys/kernel/tracing'

/** Folder of a tracing instance of ours; `number` tells those of several programs apart. */
export const traceInstance = (number: number): string => `${TRACEFS}/instances/agentmem-${whole(number, 0, 4_294_967_295)}`

/** KiB for each processor: older events give way to newer ones. */
export const TRACE_BUFFER_KB = 1024

/** The line as a person types it, with sudo. */
export const traceCommand = (line: TraceLineData, numbers: TraceNumbers): string => {
  const quote = (word: string): string => (/^[\w.:,/=-]+$/u.test(word) ? word : `'${word}'`)
  switch (line.tool) {
    case 'perf': {
      if ('count' in line) return ['sudo', 'perf', ...perfStatArguments(line.count, numbers)].map(quote).join(' ')
      const file = 'kernel.data'
      return [['sudo', 'perf', ...perfRecordArguments(numbers, file)], ['sudo', 'perf', ...perfReportArguments(file)]].map((words) => words.map(quote).join(' ')).join(' && ')
    }
    case 'bpftrace':
      return `sudo bpftrace -e '${bpftraceScript(line, numbers)}'`
    case 'ftrace':
    default: {
      const lines = [
        `cd ${TRACEFS}/instances && mkdir agentmem && cd agentmem`,
        `echo ${TRACE_BUFFER_KB} > buffer_size_kb`,
        ...(numbers.pid === null ? [] : [`ls /proc/${pidText(numbers.pid)}/task > set_event_pid`]),
        `for event in ${line.events.join(' ')}; do echo 1 > events/$event/enable; done`,
        `sleep ${secondsText(numbers.seconds)}; cat trace; cd ..; rmdir agentmem`,
      ]
      return `sudo sh -c '${lines.join('; ')}'`
    }
  }
}
