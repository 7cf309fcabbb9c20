import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeRoot, type MadeRoot } from '../../test/proc-tree.ts'
import { endTrees } from './reap.ts'

let made: MadeRoot
let sent: string[]
beforeEach(() => {
  made = makeRoot()
  sent = []
})
afterEach(() => made.remove())

const ref = (pid: number) => ({ pid, startTimeTicks: 500_000 })
/** Ends what `on` names at a signal; everything else ignores it. */
const end = (on: (pid: number, signal: string) => void, ...pids: number[]) =>
  endTrees({ root: made.root, uid: 1000, graceMs: 0, kill: (pid, signal) => { sent.push(`${signal} ${pid}`); on(pid, signal) } }, pids.map(ref))

test('asks, then insists on those that stay', async () => {
  made.run({ pid: 10 }, { pid: 11 })
  expect(await end((pid, signal) => { if (pid === 10 || signal === 'SIGKILL') made.end(pid) }, 10, 11)).toEqual([])
  expect(sent).toEqual(['SIGTERM 10', 'SIGTERM 11', 'SIGKILL 11'])
})

test('a number that belongs to a later process by now gets no signal', async () => {
  made.run({ pid: 10, startTicks: 600_000 }, { pid: 11 })
  // The second one ends when asked, and its number is given away before anybody insists.
  expect(await end((pid) => made.run({ pid, startTicks: 700_000 }), 10, 11)).toEqual([])
  expect(sent).toEqual(['SIGTERM 11'])
})

test('processes of somebody else get no signal and are told', async () => {
  made.run({ pid: 10, uid: 0 })
  expect(await end(() => {}, 10)).toEqual([ref(10)])
  expect(sent).toEqual([])
}, 15_000)

test('one that may not be ended is told, and ends nothing else', async () => {
  made.run({ pid: 10 }, { pid: 11 })
  const refuse = (pid: number): void => {
    if (pid === 10) throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    made.end(pid)
  }
  expect(await end(refuse, 10, 11)).toEqual([ref(10)])
}, 15_000)
