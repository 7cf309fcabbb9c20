import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createGrants } from './grants.ts'

const ACTION = 'org.agentmem.agents'
const anna = { sender: ':1.7', uid: 1000, pid: 700 }
let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-grants-'))
  path = join(folder, 'run', 'grants.json')
})
afterEach(() => rmSync(folder, { recursive: true }))

test('what was granted holds over a restart of the helper, for this caller and action alone', () => {
  createGrants(path, 'bus-1').add(anna, ACTION)
  const later = createGrants(path, 'bus-1')
  expect(later.has(anna, ACTION)).toBe(true)
  expect(later.has(anna, 'org.agentmem.change-layers')).toBe(false)
  expect(later.has({ ...anna, sender: ':1.8' }, ACTION)).toBe(false)
  expect(later.has({ ...anna, uid: 1001 }, ACTION)).toBe(false)
  expect(later.has({ ...anna, pid: 701 }, ACTION)).toBe(false)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('another bus gives its names anew, so nothing of it counts there', () => {
  createGrants(path, 'bus-1').add(anna, ACTION)
  expect(createGrants(path, 'bus-2').has(anna, ACTION)).toBe(false)
})

test('who left is forgotten, on disk too', () => {
  const grants = createGrants(path, 'bus-1')
  grants.add(anna, ACTION)
  grants.forget(anna.sender)
  expect(grants.has(anna, ACTION)).toBe(false)
  expect(createGrants(path, 'bus-1').has(anna, ACTION)).toBe(false)
})

test('a damaged file and a link in its place grant nothing', () => {
  createGrants(path, 'bus-1').add(anna, ACTION)
  const good = readFileSync(path, 'utf8')
  writeFileSync(path, good.slice(0, -5))
  expect(createGrants(path, 'bus-1').has(anna, ACTION)).toBe(false)
  writeFileSync(join(folder, 'elsewhere'), good)
  rmSync(path)
  symlinkSync(join(folder, 'elsewhere'), path)
  expect(createGrants(path, 'bus-1').has(anna, ACTION)).toBe(false)
})

test('the number kept is bounded', () => {
  const grants = createGrants(path, 'bus-1')
  for (let at = 0; at < 100; at += 1) grants.add({ ...anna, sender: `:1.${at}` }, ACTION)
  expect(grants.has({ ...anna, sender: ':1.0' }, ACTION)).toBe(false)
  expect(grants.has({ ...anna, sender: ':1.99' }, ACTION)).toBe(true)
})
