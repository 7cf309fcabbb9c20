import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures, loadSignaturesOrBuiltIn } from './signatures.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-signatures-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})
const own = (content: unknown): string => {
  const path = join(folder, 'agents.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
const mine = { kind: 'my-agent', title: 'Mine', match: [{ executable: ['mine'] }] }

test('the built-in ones are valid and name every agent once', () => {
  const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH)
  if (!loaded.ok) throw new Error(loaded.error.message)
  expect(loaded.value.agents.map((signature) => signature.kind)).toEqual(['claude-code', 'codex', 'gemini-cli', 'opencode', 'aider', 'goose', 'copilot-cli', 'cursor-agent', 'amp', 'qwen-code'])
})

test('a missing file of the user is no failure', () => {
  expect(loadSignatures(BUILT_IN_SIGNATURES_PATH, join(folder, 'none.json')).ok).toBe(true)
})

test('the user\'s own are added in front, and replace a kind', () => {
  const path = own({ version: 1, agents: [mine, { ...mine, kind: 'goose' }], children: [{ role: 'tool', executable: ['bash'] }] })
  const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH, path)
  if (!loaded.ok) throw new Error(loaded.error.message)
  expect(loaded.value.agents.map((signature) => signature.kind).slice(0, 2)).toEqual(['my-agent', 'goose'])
  expect(loaded.value.agents.filter((signature) => signature.kind === 'goose')).toHaveLength(1)
  expect(loaded.value.children[0]).toEqual({ role: 'tool', executable: ['bash'] })
})

test.each([
  ['no JSON', '{'],
  ['another version', { version: 2, agents: [], children: [] }],
  ['an unknown field', { version: 1, agents: [{ ...mine, run: 'rm' }], children: [] }],
  ['a kind that is no name', { version: 1, agents: [{ ...mine, kind: '../x' }], children: [] }],
  ['too large', ' '.repeat(600_000)],
])('%s: a failure that names the file, and the built-in ones go on', (_, content) => {
  const path = own(content)
  const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH, path)
  expect(loaded).toMatchObject({ ok: false, error: { code: 'bad-request', about: path } })
  const usable = loadSignaturesOrBuiltIn(BUILT_IN_SIGNATURES_PATH, path)
  if (!usable.ok) throw new Error(usable.error.message)
  expect(usable.value.problem?.about).toBe(path)
  expect(usable.value.signatures.agents.length).toBeGreaterThan(5)
})

test('a folder in its place', () => {
  expect(loadSignatures(BUILT_IN_SIGNATURES_PATH, folder)).toMatchObject({ ok: false, error: { about: folder } })
})
