import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JournalRecord } from './journal.ts'
import { movedText, parseMoved, undoThaw } from './undo-cgroup.ts'
import { createKernelFiles, isOurGroup } from './write.ts'

const GROUP = '/sys/fs/cgroup/unified/agentmem.slice/u1000/agent-5-17'
let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-cgroup-'))
  mkdirSync(join(root, '/sys/fs/cgroup/unified'), { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const thaw: JournalRecord = { seq: 1, undoClass: 'now', verb: 'thaw', target: `${GROUP}/cgroup.freeze`, old: '0', new: '1' }
const undo = () => undoThaw({ root, kernel: createKernelFiles({ root }), checkpoint: () => undefined }, thaw)

test('a frozen cgroup runs again; one that runs or is gone is left alone', async () => {
  expect(await undo()).toMatchObject({ outcome: 'already-so', found: 'absent' })
  mkdirSync(join(root, GROUP), { recursive: true })
  writeFileSync(join(root, `${GROUP}/cgroup.freeze`), '1\n')
  expect(await undo()).toMatchObject({ outcome: 'restored', found: '1' })
  expect(readFileSync(join(root, `${GROUP}/cgroup.freeze`), 'utf8').trim()).toBe('0')
  expect(await undo()).toMatchObject({ outcome: 'already-so', found: '0' })
})

test('moved processes are written and read alike, and what is none is passed over', () => {
  const moved = [{ pid: 5, startTimeTicks: 17 }, { pid: 4_194_304, startTimeTicks: 123_456_789 }]
  expect(movedText(moved)).toBe('5:17,4194304:123456789')
  expect(parseMoved(movedText(moved))).toEqual(moved)
  expect(parseMoved('5:17,,x:1,6:,-7:1,8:9')).toEqual([{ pid: 5, startTimeTicks: 17 }, { pid: 8, startTimeTicks: 9 }])
})

describe('cgroups that are ours to make and remove', () => {
  test.each([GROUP, '/sys/fs/cgroup/agentmem.slice', '/sys/fs/cgroup/unified/agentmem.slice/u0'])('%s', (folder) => expect(isOurGroup(folder)).toBe(true))
  test.each(['/sys/fs/cgroup/unified', '/sys/fs/cgroup/user.slice', `${GROUP}/../../..`, `${GROUP}/deeper`, '/sys/fs/cgroup/unified/agentmem.slice/u0/x', '/etc/agentmem.slice', `${GROUP}\n`])('not %j', (folder) => {
    expect(isOurGroup(folder)).toBe(false)
    expect(createKernelFiles({ root }).makeGroup(folder)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
    expect(createKernelFiles({ root }).removeGroup(folder)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
  })

  test('made once, removed once, and never through a link', () => {
    const lines: string[] = []
    const kernel = createKernelFiles({ root, onWrite: (line) => lines.push(line) })
    const top = '/sys/fs/cgroup/unified/agentmem.slice'
    for (const folder of [top, top, `${top}/u1000`]) expect(kernel.makeGroup(folder)).toMatchObject({ ok: true })
    expect(kernel.removeGroup(top)).toMatchObject({ ok: false, error: { got: 'ENOTEMPTY' } })
    for (const folder of [`${top}/u1000`, top, top]) expect(kernel.removeGroup(folder)).toMatchObject({ ok: true })
    expect(existsSync(join(root, top))).toBe(false)
    expect(lines).toContain(`mkdir ${top}/u1000`)
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync(join(root, 'elsewhere'), join(root, top))
    expect(kernel.makeGroup(`${top}/u1000`)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
    expect(existsSync(join(root, 'elsewhere/u1000'))).toBe(false)
  })
})
