import { describe, expect, it } from 'vitest'
import { findSplat, readConsole } from './console.ts'

const good = ['# Linux 6.12', 'ok load', 'not a result', 'ok rmmod', '# end']
const GOOD_EXIT = 99

describe('the console of a guest', () => {
  it('counts what passed', () => {
    expect(readConsole(good.join('\r\n'), GOOD_EXIT)).toEqual({ passed: ['load', 'rmmod'], failures: [] })
  })

  it.each([
    ['a machine that ended by itself', good, 0],
    ['a machine that did not end', good, null],
    ['a run that stopped on the way', good.slice(0, -1), GOOD_EXIT],
    ['a part that failed', [...good, 'not ok leaks'], GOOD_EXIT],
    ['no part at all', ['# end'], GOOD_EXIT],
    ['something wrong in the log', [...good, '[ 1.0] BUG: KASAN: slab-use-after-free in am_unit_put'], GOOD_EXIT],
    ['a lock in the wrong order', [...good, '[ 1.0] WARNING: possible circular locking dependency detected'], GOOD_EXIT],
    ['a leak', [...good, 'unreferenced object 0xffff888001234000 (size 64):'], GOOD_EXIT],
  ])('fails by %s', (_name, lines, status) => {
    expect(readConsole(lines.join('\n'), status).failures).not.toEqual([])
  })

  it('takes a plain end where programs cannot give a number', () => {
    expect(readConsole(good.join('\n'), 0, true).failures).toEqual([])
    expect(readConsole(good.join('\n'), 1, true).failures).not.toEqual([])
  })
})

describe('memory that was refused', () => {
  const told = ['[ 1.0] torture: vmalloc error: size 1303288, vm_struct allocation failed', '[ 1.0] Call Trace:', '[ 1.0]  vzalloc+0x1/0x2', '[ 1.0] 76211 pages reserved']

  it('is told with a call trace, and is no fault', () => {
    expect(findSplat(told)).toBe(-1)
  })

  it('does not hide another fault in it, nor one behind it', () => {
    expect(findSplat([...told.slice(0, 2), '[ 1.0] BUG: KASAN: wild-memory-access', ...told.slice(2)])).toBe(2)
    expect(findSplat([...told, '[ 1.0] Call Trace:'])).toBe(4)
  })
})
