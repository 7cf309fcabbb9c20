import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownerOf } from './owner.ts'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-owner-'))
})
afterAll(() => rmSync(root, { recursive: true }))

const process = (pid: number, name: string, ticks: string, uids: string): void => {
  mkdirSync(join(root, 'proc', String(pid)), { recursive: true })
  writeFileSync(join(root, 'proc', String(pid), 'stat'), `${pid} (${name}) S ${Array.from({ length: 18 }, () => '0').join(' ')} ${ticks} 0\n`)
  writeFileSync(join(root, 'proc', String(pid), 'status'), `Name:\tx\nUid:\t${uids}\nGid:\t7\t7\t7\t7\n`)
}

test('names the user of a process with that start time', () => {
  process(10, 'node', '500', '1000\t1000\t1000\t1000')
  expect(ownerOf(root, { pid: 10, startTimeTicks: 500 })).toBe(1000)
})

test('a later process with the same number, and none at all, belong to nobody here', () => {
  expect(ownerOf(root, { pid: 10, startTimeTicks: 499 })).toBeNull()
  expect(ownerOf(root, { pid: 99, startTimeTicks: 500 })).toBeNull()
})

test('a name with parentheses and a forged Uid line does not mislead it', () => {
  process(11, 'a) S 1 (b', '77', '1000\t1000\t1000\t1000')
  expect(ownerOf(root, { pid: 11, startTimeTicks: 77 })).toBe(1000)
})

test('a process between two users (set-user-ID) is nobody to name', () => {
  process(12, 'sudo', '5', '1000\t0\t0\t0')
  expect(ownerOf(root, { pid: 12, startTimeTicks: 5 })).toBe(-1)
})
