import { describe, expect, test } from 'vitest'
import { eventCounts, parseEvent } from './events.ts'
import { perfReportTable, perfStatTable, tableOf, textOf } from './tables.ts'

const lines = (text: string) => text.split('\n').flatMap((line) => parseEvent(line) ?? [])

const RECLAIM = `# tracer: nop
#
# entries-in-buffer/entries-written: 7/90   #P:2
            node-101   [000] d..1.  100.000100: mm_vmscan_direct_reclaim_end: nr_reclaimed=5
            node-101   [000] d..1.  100.000200: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL
    a b-9 [001]-102    [001] d..1.  100.000300: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL
            node-101   [001] d..1.  100.000250: mm_vmscan_direct_reclaim_end: nr_reclaimed=32
    a b-9 [001]-102    (  102) [001] d..1.  100.025300: mm_vmscan_direct_reclaim_end: nr_reclaimed=32
         kswapd0-50    [001] d..1.  101.000000: mm_vmscan_kswapd_wake: nid=0 order=0
            node-101   [001] d..1.  102.000000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL
rubbish`

test('events are read whatever a program is called', () => {
  expect(lines(RECLAIM)).toHaveLength(7)
  expect(lines(RECLAIM)[2]).toMatchObject({ tid: 102, atUs: 100_000_300, name: 'mm_vmscan_direct_reclaim_begin' })
  expect(eventCounts(RECLAIM)).toEqual({ kept: 7, written: 90 })
})

describe('tables', () => {
  test('durations are those of one thread, from begin to end; halves are left out', () => {
    expect(tableOf('durations', lines(RECLAIM)).rows).toEqual([
      ['vmscan_direct_reclaim', 'under 0.1 ms', '1', '0.1 ms', '0.1 ms'],
      ['vmscan_direct_reclaim', '10 to 100 ms', '1', '25.0 ms', '25.0 ms'],
      ['vmscan_kswapd_wake', '-', '1', '-', '-'],
    ])
  })

  test('how it ended is told apart', () => {
    const text = ['8', '16'].map((tid, at) => `x-${tid} [000] ..... 1.00000${at}: mm_compaction_begin: zone_start=0x1, mode=sync\nx-${tid} [000] ..... 1.00200${at}: mm_compaction_end: zone_start=0x1, mode=sync status=${at === 0 ? 'success' : 'no_suitable_page'}`).join('\n')
    expect(tableOf('durations', lines(text)).rows.map((row) => row.slice(0, 3))).toEqual([['compaction, no_suitable_page', '1 to 10 ms', '1'], ['compaction, success', '1 to 10 ms', '1']])
    expect(tableOf('counts', lines('k-1 [000] ..... 1.000000: mm_collapse_huge_page: mm=00000000aaaa, isolated=512, status=succeeded')).rows).toEqual([['collapse_huge_page', 'succeeded', '1']])
  })

  test('pauses of writers are those that held up', () => {
    const text = [0, 5, 40].map((pause, at) => `w-7 [000] ..... 1.00000${at}: balance_dirty_pages: bdi 254:0: limit=1 setpoint=2 dirty=3 paused=0 pause=${pause} period=10 think=2 cgroup_ino=1`).join('\n')
    expect(tableOf('pauses', lines(text)).rows).toEqual([['held up while writing', '1 to 10 ms', '1', '5.0 ms', '5.0 ms'], ['held up while writing', '10 to 100 ms', '1', '40.0 ms', '40.0 ms']])
  })

  test('faults are told by area, without addresses', () => {
    const maps = '55d0-55e0 rw-p 00000000 00:00 0          [heap]\n7f00-7f10 r-xp 00000000 08:01 12  /home/me/secret project/bin/node\n7fa0-7fb0 rw-p 00000000 00:00 0 \n'
    const text = ['55d4', '55d8', '7f04', '7fa4', '1000'].map((address, at) => `x-5 [000] d.... 1.00000${at}: page_fault_user: address=0x${address} ip=0x7f04 error_code=0x6`).join('\n')
    const table = tableOf('areas', lines(text), maps)
    expect(table.rows).toEqual([['[heap]', '2', '40.0 %'], ['node', '1', '20.0 %'], ['memory of its own (rw-p)', '1', '20.0 %'], ['not mapped any more', '1', '20.0 %']])
    expect(textOf(table)).not.toMatch(/55d|home|secret/u)
  })

  test('counters of perf, with those it has not', () => {
    const text = "\n Performance counter stats for process id '12':\n\n             82360      page-faults                                                        \n     <not supported>      dTLB-load-misses\n                 3      kmem:mm_page_alloc_extfrag\n\n       2.000000000 seconds time elapsed\n\n       0.5 seconds user\n"
    expect(perfStatTable(text).rows).toEqual([['page-faults', '82360', '41180'], ['dTLB-load-misses', '<not supported>', '-'], ['kmem:mm_page_alloc_extfrag', '3', '1.5']])
  })

  test('functions of the kernel', () => {
    expect(perfReportTable('# Overhead  Symbol   IPC\n#\n    15.00%  [k] exc_page_fault               -      -  \n     0.51%  [k] finish_task_switch.isra.0    -      - ').rows).toEqual([['15.00%', 'exc_page_fault'], ['0.51%', 'finish_task_switch.isra.0']])
  })
})
