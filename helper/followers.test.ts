import { expect, test } from 'vitest'
import type { Progress } from './contract/runs.ts'
import { createFollowers } from './followers.ts'

const RUN = '20260101T000000Z-00000001'
const OTHER_RUN = '20260101T000000Z-00000002'
const caller = (sender: string, uid = 1000) => ({ sender, uid, pid: 1 })
const progress = (runId: string): Progress => ({ runId, state: 'applying', fraction: 0, text: '', confirmUntilMs: null, canCancel: true })

const setUp = () => {
  const sent: string[] = []
  const followers = createFollowers((sender, signal, payload) => sent.push(`${sender} ${signal} ${payload.runId}`))
  return { followers, sent }
}

test('progress told before Apply has answered reaches its caller', () => {
  const { followers, sent } = setUp()
  const end = followers.expect(caller(':1.1'))
  followers.progress(1000, progress(RUN))
  end()
  followers.own(RUN, caller(':1.1'))
  followers.progress(1000, progress(RUN))
  expect(sent).toEqual([`:1.1 Progress ${RUN}`, `:1.1 Progress ${RUN}`])
})

test('whoever decides about a run hears of it too, but not of other runs', () => {
  const { followers, sent } = setUp()
  followers.own(RUN, caller(':1.1'))
  followers.follow(RUN, caller(':1.2'))
  followers.own(OTHER_RUN, caller(':1.3'))
  followers.outcome(1000, { runId: RUN, state: 'undone', cause: 'user-undo', error: null })
  expect(sent).toEqual([`:1.1 Outcome ${RUN}`, `:1.2 Outcome ${RUN}`])
})

test('naming a run of another user gives nothing to hear', () => {
  const { followers, sent } = setUp()
  followers.own(RUN, caller(':1.1'))
  followers.follow(RUN, caller(':1.9', 1001))
  followers.progress(1000, progress(RUN))
  expect(sent).toEqual([`:1.1 Progress ${RUN}`])
})

test('a run that nobody here applied is told to nobody', () => {
  const { followers, sent } = setUp()
  followers.expect(caller(':1.1'))()
  followers.progress(1000, progress(RUN))
  followers.expect(caller(':1.9', 1001))
  followers.progress(1000, progress(RUN))
  expect(sent).toEqual([])
})

test('only runs that the leaving caller applied are orphaned', () => {
  const { followers, sent } = setUp()
  followers.own(RUN, caller(':1.1'))
  followers.follow(RUN, caller(':1.2'))
  followers.own(OTHER_RUN, caller(':1.2'))
  expect(followers.drop(':1.2')).toEqual([OTHER_RUN])
  followers.progress(1000, progress(RUN))
  expect(sent).toEqual([`:1.1 Progress ${RUN}`])
  expect(followers.drop(':1.1')).toEqual([RUN])
  expect(followers.drop(':1.1')).toEqual([])
})

test('a stranger who names a run first neither owns it nor ends it', () => {
  const { followers } = setUp()
  followers.follow(RUN, caller(':1.9', 1001))
  followers.own(RUN, caller(':1.1'))
  expect(followers.drop(':1.9')).toEqual([])
  expect(followers.drop(':1.1')).toEqual([RUN])
})
