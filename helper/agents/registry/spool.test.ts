import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LifecycleEvent } from '../../contract/lifecycle.ts'
import { openSpool } from './spool.ts'

let folder = ''
beforeEach(() => { folder = join(mkdtempSync(join(tmpdir(), 'agentmem-spool-')), 'spool') })
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

const event = (text: string): Omit<LifecycleEvent, 'seq'> => ({ agentId: null, title: '', name: '', transition: null, suspension: null, resumed: null, word: null, text, atMs: 1 })
const texts = (spool: ReturnType<typeof openSpool>, afterSeq: number, limit = 1000): string[] => spool.read(afterSeq, limit).events.map(({ seq, text }) => `${seq} ${text}`)

describe('the spool', () => {
  it('numbers events and gives those behind a number, a limited lot at a time', () => {
    const spool = openSpool({ folder })
    for (const text of ['a', 'b', 'c']) expect(spool.add(event(text)).ok).toBe(true)
    expect(texts(spool, 0)).toEqual(['1 a', '2 b', '3 c'])
    expect(texts(spool, 1, 1)).toEqual(['2 b'])
    expect(texts(spool, 3)).toEqual([])
  })

  it('goes on counting after a restart, under the same name', () => {
    const first = openSpool({ folder })
    first.add(event('a'))
    const second = openSpool({ folder })
    expect(second.add(event('b'))).toEqual({ ok: true, value: 2 })
    expect(second.read(0, 10).spool).toBe(first.read(0, 10).spool)
    expect(texts(second, 0)).toEqual(['1 a', '2 b'])
  })

  it('loses no line behind one that was torn by a crash, and never uses a number twice', () => {
    openSpool({ folder }).add(event('a'))
    const [name = ''] = readdirSync(folder)
    appendFileSync(join(folder, name), '{"seq":2,"text":"to')
    const spool = openSpool({ folder })
    spool.add(event('b'))
    spool.add(event('c'))
    expect(texts(spool, 0)).toEqual(['1 a', '2 b', '3 c'])
  })

  it('begins anew under another name when its files were removed', () => {
    const first = openSpool({ folder })
    first.add(event('a'))
    const before = first.read(0, 1).spool
    rmSync(folder, { recursive: true })
    const second = openSpool({ folder })
    second.add(event('b'))
    expect(second.read(0, 1).spool).not.toBe(before)
    expect(texts(second, 0)).toEqual(['1 b'])
  })

  it('stays within its size: the oldest file goes, the newest events stay', () => {
    const spool = openSpool({ folder, mostBytes: 6_000, fileBytes: 1_000 })
    for (let index = 1; index <= 200; index += 1) spool.add(event(`event ${index}`))
    const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    expect(bytes).toBeLessThan(8_000)
    const left = texts(spool, 0)
    expect(left.at(-1)).toBe('200 event 200')
    expect(left.length).toBeGreaterThan(10)
    expect(left.length).toBeLessThan(100)
    expect(texts(openSpool({ folder }), 198)).toEqual(['199 event 199', '200 event 200'])
  })

  it('says so where it cannot write', () => {
    writeFileSync(join(folder, '..', 'file'), '')
    expect(openSpool({ folder: join(folder, '..', 'file') }).add(event('a'))).toMatchObject({ ok: false, error: { code: 'disk-full' } })
  })
})
