import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTidy } from './tidy.ts'

const unit = readFileSync(join(import.meta.dirname, '..', 'assets', 'system', 'agentmem-session.service'), 'utf8')

describe('giving memory back', () => {
  it('collects once a burst left something behind, and not for a little', () => {
    let heapBytes = 10_000_000
    let collected = 0
    const tidy = createTidy(() => {
      collected += 1
      heapBytes = 8_000_000
    }, () => heapBytes)
    tidy()
    expect(collected).toBe(1)
    heapBytes = 9_000_000
    tidy()
    expect(collected).toBe(1)
    heapBytes = 12_000_000
    tidy()
    expect(collected).toBe(2)
  })

  it('does nothing where Node was started without it', () => {
    expect(() => createTidy(undefined, () => 1e9)()).not.toThrow()
  })
})

describe('the unit of the session role', () => {
  it('starts Node with options that this Node knows, and with a collector to call', () => {
    const words = /^ExecStart=\/usr\/lib\/agentmem\/node (?<options>.*) \/usr\/lib\/agentmem\/session\.js$/mu.exec(unit)?.groups?.['options']?.split(' ') ?? []
    expect(words).toContain('--expose-gc')
    const answer = spawnSync(process.execPath, [...words, '-p', '[typeof gc, typeof fetch, typeof WebAssembly].join(" ")'], { encoding: 'utf8' })
    expect([answer.stderr, answer.stdout.trim()]).toEqual(['', 'function function object'])
  })
})
