import { expect, test } from 'vitest'
import { processOf, subjectWords } from './words.ts'

const nameOf = (id: string): string => `name of ${id}`
const AGENT = '0f31c7a2-7d0c-4f0d-8cf1-0a2b5f0e9d11:4711:99300'

test.each([
  ['', ''],
  ['4711:99300', 'process 4711'],
  [AGENT, `name of ${AGENT}`],
  ['/tmp', '/tmp'],
  ['/user.slice/a:1.scope', '/user.slice/a:1.scope'],
  ['filesystem MCP server', 'filesystem MCP server'],
])('%s is called %s', (subject, words) => expect(subjectWords(subject, nameOf)).toBe(words))

test('only a process and its start is a process', () => {
  expect(processOf('4711:99300')).toEqual({ pid: 4711, startTimeTicks: 99_300 })
  for (const other of ['', '4711', 'a:1', '1:2:3', AGENT, '12:']) expect(processOf(other)).toBeNull()
})
