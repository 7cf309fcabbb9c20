import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { again, largestPrograms } from './largest.ts'

let root = ''
beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'agentmem-largest-')) })
afterEach(() => { rmSync(root, { recursive: true, force: true }) })

const PAGE = 4096
const write = (pid: number, name: string, pages: number, startTicks = pid * 10): void => {
  const folder = join(root, 'proc', String(pid))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'statm'), `${pages * 3} ${pages} 10 1 0 5 0\n`)
  writeFileSync(join(folder, 'stat'), `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 4194304 900 0 0 0 10 5 0 0 20 0 1 0 ${startTicks} 900000000 ${pages} 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`)
  writeFileSync(join(folder, 'cmdline'), `${name}\0`)
}

test('the largest come first, as many as asked for; kernel threads hold nothing', () => {
  write(10, 'small', 100)
  write(20, 'large', 900)
  write(30, 'middle', 500)
  write(2, 'kthreadd', 0)
  expect(largestPrograms(root, 2)).toEqual([{ pid: 20, startTimeTicks: 200, title: 'large', rssBytes: 900 * PAGE }, { pid: 30, startTimeTicks: 300, title: 'middle', rssBytes: 500 * PAGE }])
  expect(largestPrograms(root, 9).map(({ title }) => title)).toEqual(['large', 'middle', 'small'])
})

test('looked at again they have their new sizes; who ended or is another by now is left out', () => {
  for (const [pid, pages] of [[10, 100], [20, 900], [30, 500], [40, 400]] as const) write(pid, `p${pid}`, pages)
  const first = largestPrograms(root, 4)
  write(10, 'p10', 1000)
  rmSync(join(root, 'proc/20'), { recursive: true })
  write(30, 'another', 500, 999)
  expect(again(root, first).map(({ title, rssBytes }) => [title, rssBytes / PAGE])).toEqual([['p10', 1000], ['p40', 400]])
})
