import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const script = new URL('../../kmod/flame.sh', import.meta.url).pathname
const flame = (args: readonly string[], input = ''): { status: number | null; out: string; said: string } => {
  const { status, stdout, stderr } = spawnSync('sh', [script, ...args], { encoding: 'utf8', input, env: { ...process.env, TRACEFS: '/nonexistent' } })
  return { status, out: stdout, said: stderr }
}

/** As tracefs prints it with stacktrace, userstacktrace and sym-userobj. */
const trace = `# tracer: nop
            node-1234    [001] .....   12.345678: agentmem_allocate: agent=1 unit=2 kind=2 bytes=40000
            node-1234    [001] .....   12.345679: <stack trace>
 => trace_event_raw_event_agentmem_allocate
 => am_unit_alloc
 => device_ioctl
            node-1234    [001] .....   12.345680: <user stack trace>
 => /usr/lib/x86_64-linux-gnu/libc.so.6[+0x10]
 => /usr/lib/agentmem/agentmem.node[+0xbeef]
 => <0000000000000000>
 Web Content-77   [000] .....   12.4: agentmem_allocate: agent=1 unit=2 kind=2 bytes=1000
            node-1234    [001] .....   12.5: agentmem_allocate: agent=1 unit=3 kind=2 bytes=60000
            node-1234    [001] .....   12.5: <stack trace>
 => am_unit_alloc
 => device_ioctl
            node-99      [000] .....   12.6: agentmem_allocate: agent=9 unit=4 kind=2 bytes=3000000000
            node-99      [000] .....   12.6: <stack trace>
 => am_unit_alloc
 => device_ioctl
`

test('bytes are summed by stack, outermost first, each stack with the event before it', () => {
  expect(flame(['fold'], trace)).toEqual({
    status: 0,
    said: '',
    out: 'Web_Content 1000\nnode;agentmem.node+0xbeef;libc.so.6+0x10;device_ioctl_[k];am_unit_alloc_[k] 40000\nnode;device_ioctl_[k];am_unit_alloc_[k] 3000060000\n',
  })
})

test('a graph has a box for each beginning, as wide as its bytes, and text that is no markup', () => {
  const { out, status } = flame(['svg', 'a < "b" & c'], 'node;f<x>;g 300\nnode;f<x>;h 100\nother 600\n')
  expect(status).toBe(0)
  expect(out).toContain('a &lt; &quot;b&quot; &amp; c')
  const boxes = [...out.matchAll(/<title>([^<]*)<\/title><rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/gu)].map(([, title = '', x, y, width]) => [title.replace(/:.*/u, ''), Number(x), Number(y), Number(width)])
  // node and f<x> once each, though two stacks begin with them.
  const byName = (a: unknown[], b: unknown[]): number => String(a[0]).localeCompare(String(b[0]))
  expect(boxes.toSorted(byName)).toEqual([['all', 0, 85, 1200], ['f&lt;x&gt;', 0, 51, 480], ['g', 0, 34, 360], ['h', 360, 34, 120], ['node', 0, 68, 480], ['other', 480, 68, 720]].toSorted(byName))
})

test('stacks that are none, and nothing at all, are no graph with boxes', () => {
  expect(flame(['svg'], 'no figure here\na;b 0\n').out).not.toContain('<title>')
  expect(flame(['fold'], '').out).toBe('')
})

test.each([[['record', 'x'], /SECONDS/u], [['record', '5'], /load the module|needs root/u], [[], /flame\.sh record/u], [['draw'], /flame\.sh record/u]])('%j is refused with what was expected', (args, words) => {
  const { status, said } = flame(args)
  expect(status).not.toBe(0)
  expect(said).toMatch(words)
})
