import type { Answer, Request } from '../../electron/contract/channels.ts'
import type { TraceLine } from '../../electron/contract/diagnosis.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { Scenario } from './scenarios.ts'

const lines: TraceLine[] = [
  {
    id: 'perf.page-faults', title: 'Page faults', what: 'How often memory was touched that was not there yet, and how often that had to wait for the disk or for swap.', tool: 'perf',
    command: 'sudo perf stat -e page-faults,minor-faults,major-faults,context-switches -a -- sleep 10', installed: true, install: 'sudo apt install linux-perf', needsPid: false, process: 'optional', secondsMost: 60,
  },
  {
    id: 'ftrace.reclaim', title: 'Reclaim that held programs up', what: 'How long programs had to free memory themselves before they got some, and how often they were held up.', tool: 'ftrace',
    command: "sudo sh -c 'cd /sys/kernel/tracing/instances && mkdir agentmem && cd agentmem; echo 1024 > buffer_size_kb; for event in vmscan/mm_vmscan_direct_reclaim_begin vmscan/mm_vmscan_direct_reclaim_end; do echo 1 > events/$event/enable; done; sleep 10; cat trace; cd ..; rmdir agentmem'",
    installed: true, install: 'sudo mount -t tracefs tracefs /sys/kernel/tracing', needsPid: false, process: 'optional', secondsMost: 60,
  },
  {
    id: 'ftrace.page-faults', title: 'Where a program touches new memory', what: 'Which parts of a program fault pages in: its heap, a file it has mapped, the stack of a thread.', tool: 'ftrace',
    command: "sudo sh -c 'cd /sys/kernel/tracing/instances && mkdir agentmem && cd agentmem; echo 1024 > buffer_size_kb; ls /proc/PID/task > set_event_pid; for event in exceptions/page_fault_user; do echo 1 > events/$event/enable; done; sleep 10; cat trace; cd ..; rmdir agentmem'",
    installed: true, install: 'sudo mount -t tracefs tracefs /sys/kernel/tracing', needsPid: true, process: 'needed', secondsMost: 60,
  },
  {
    id: 'bpftrace.direct-reclaim', title: 'How long reclaim holds programs up', what: 'A histogram of how long each had to free memory itself, in microseconds.', tool: 'bpftrace',
    command: "sudo bpftrace -e 'tracepoint:vmscan:mm_vmscan_direct_reclaim_begin { @start[tid] = nsecs; } interval:s:10 { exit(); }'", installed: false, install: 'sudo apt install bpftrace', needsPid: false, process: 'optional', secondsMost: 60,
  },
]

/** Lines to look deeper with, bpftrace not installed; running one gives what such a look gives. */
export const createTrace = ({ scenario, sleep }: { scenario: Scenario; sleep: (ms: number) => Promise<void> }) => ({
  'trace.list': ({ pid }: Request<'trace.list'>): Answer<'trace.list'> => ok({ lines: pid === undefined ? lines : lines.map((line) => ({ ...line, command: line.command.replaceAll('PID', String(pid)) })) }),
  'trace.run': async ({ id, seconds }: Request<'trace.run'>): Promise<Answer<'trace.run'>> => {
    await sleep(scenario.diagnosisMs)
    const line = lines.find((one) => one.id === id)
    if (scenario.helper !== 'ready') return fail('helper-missing', 'The helper is not installed.', { advice: 'Install it in Settings.' })
    if (scenario.traceFails !== null) return { ok: false, error: scenario.traceFails }
    if (line === undefined) return fail('bad-request', 'There is no such line to look deeper with.', { about: 'id', got: id })
    const rows = [['page-faults', '82360', '41180'], ['minor-faults', '82318', '41159'], ['major-faults', '42', '21']]
    const text = `Performance counter stats for 'system wide':\n\n${rows.map(([event, count]) => `${(count ?? '').padStart(18)}      ${event}`).join('\n')}\n`
    return ok({ id, seconds, truncated: false, text, table: { columns: ['event', 'how often', 'each second'], rows } })
  },
})
