import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeKernel, layOut } from './testing/fake-tree.ts'
import { createKernelFiles, declaredFile } from './write.ts'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-write-'))
  layOut(root)
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const RUN = '/sys/kernel/mm/ksm/run'

test('a declared file is written and read back', async () => {
  const lines: string[] = []
  const kernel = createKernelFiles({ root, onWrite: (line) => lines.push(line) })
  expect(await kernel.write(RUN, '1')).toEqual({ ok: true, value: null })
  expect(kernel.read(RUN)).toEqual({ value: '1' })
  expect(lines).toEqual(['/sys/kernel/mm/ksm/run <- 1'])
})

test('of a list the chosen word is read', () => {
  expect(createKernelFiles({ root }).read('/sys/block/zram0/comp_algorithm')).toEqual({ value: 'lzo-rle' })
})

test('a recorder writes nothing and reads what would stand there', async () => {
  const kernel = createKernelFiles({ root, recordOnly: true })
  await kernel.write(RUN, '1')
  expect(kernel.read(RUN)).toEqual({ value: '1' })
  expect(readFileSync(join(root, RUN), 'utf8')).toBe('0\n')
})

test.each([
  '/etc/passwd',
  '/sys/kernel/mm/ksm/../../../../etc/passwd',
  '/sys/kernel/mm/ksm/./run',
  '/sys//kernel/mm/ksm/run',
  '/sys/kernel/mm/ksm/run/',
  'sys/kernel/mm/ksm/run',
  '/sys/kernel/mm/ksm/run\n',
  '/sys/kernel/mm/ksm/run\0',
  '/sys/kernel/mm/ksm/max_page_sharing',
  '/sys/block/sda/disksize',
  '/sys/block/zram0/../sda/disksize',
  '/sys/block/zram1234/disksize',
  '/sys/fs/cgroup/memory.reclaim',
  '/sys/fs/cgroup/../../etc/memory.reclaim',
  '/sys/fs/cgroup/a/memory.oom.group',
  '/proc/sys/kernel/core_pattern',
  '',
])('%j is refused: no layer declares it', async (path) => {
  const lines: string[] = []
  const kernel = createKernelFiles({ root, onWrite: (line) => lines.push(line) })
  expect(declaredFile(path)).toBeNull()
  expect(await kernel.write(path, '1')).toMatchObject({ ok: false, error: { code: 'write-refused' } })
  expect(kernel.read(path)).toMatchObject({ value: null, reason: 'not-permitted' })
  expect(lines).toEqual([])
})

test('cgroup folders of agents are declared by their shape', () => {
  expect(declaredFile(String.raw`/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/app-agents.slice/agent-a\x2db.scope/memory.reclaim`)?.source).toBe('agents')
})

test.each(['3', '', '1\n2', '01', '-1', '1 '])('a value that is never given is refused: %j', async (value) => {
  expect(await createKernelFiles({ root }).write(RUN, value)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
  expect(readFileSync(join(root, RUN), 'utf8')).toBe('0\n')
})

test('a link in place of the file is not followed', async () => {
  const victim = join(root, 'victim')
  writeFileSync(victim, 'untouched')
  rmSync(join(root, RUN))
  symlinkSync(victim, join(root, RUN))
  expect(await createKernelFiles({ root }).write(RUN, '1')).toMatchObject({ ok: false, error: { code: 'write-refused', got: 'ELOOP' } })
  expect(readFileSync(victim, 'utf8')).toBe('untouched')
})

test('a link in place of a folder is noticed after opening', async () => {
  const elsewhere = join(root, 'elsewhere')
  renameSync(join(root, '/sys/kernel/mm/ksm'), elsewhere)
  symlinkSync(elsewhere, join(root, '/sys/kernel/mm/ksm'))
  expect(await createKernelFiles({ root }).write(RUN, '1')).toMatchObject({ ok: false, error: { code: 'write-refused', got: 'another file' } })
  expect(readFileSync(join(elsewhere, 'run'), 'utf8')).toBe('0\n')
})

test('block devices may stand where sysfs really has them', async () => {
  mkdirSync(join(root, '/sys/devices/virtual/block'), { recursive: true })
  renameSync(join(root, '/sys/block/zram0'), join(root, '/sys/devices/virtual/block/zram0'))
  symlinkSync('../devices/virtual/block/zram0', join(root, '/sys/block/zram0'))
  expect(await createKernelFiles({ root }).write('/sys/block/zram0/disksize', '4096')).toEqual({ ok: true, value: null })
})

test('nothing is created: a file this kernel lacks is not supported', async () => {
  rmSync(join(root, '/sys/kernel/mm/ksm/smart_scan'))
  expect(await createKernelFiles({ root }).write('/sys/kernel/mm/ksm/smart_scan', '1')).toMatchObject({ ok: false, error: { code: 'not-supported' } })
})

test('a folder or a device is no kernel file', async () => {
  rmSync(join(root, RUN))
  mkdirSync(join(root, RUN))
  expect(await createKernelFiles({ root }).write(RUN, '1')).toMatchObject({ ok: false, error: { code: 'write-refused' } })
})

test('the stand-in keeps an unknown compressor out without a word, as kernels do', async () => {
  const kernel = fakeKernel(root)
  expect(await kernel.write('/sys/module/zswap/parameters/compressor', 'zstd')).toEqual({ ok: true, value: null })
  expect(kernel.read('/sys/module/zswap/parameters/compressor')).toEqual({ value: 'lzo' })
})
