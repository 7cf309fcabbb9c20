import { describe, expect, it } from 'vitest'
import { limitsSchema } from '../../../helper/contract/limits.ts'
import { draftOf, nothing, parse, suggestion, type Draft } from './limit-fields.ts'

const MB = 1024 * 1024
const empty = draftOf(null)
const draft = (more: Partial<Draft>): Draft => ({ ...empty, ...more })

describe('limits as typed', () => {
  it('sends only what changed, in bytes', () => {
    expect(parse(draft({ highBytes: '300', lowBytes: '96' }), { highBytes: 300 * MB })).toEqual({ ok: true, limits: { lowBytes: 96 * MB }, changes: 1 })
  })

  it('takes away what was emptied: null for a limit, 0 for protection', () => {
    expect(parse(empty, { highBytes: 300 * MB, lowBytes: 96 * MB })).toEqual({ ok: true, limits: { highBytes: null, lowBytes: 0 }, changes: 2 })
    expect(limitsSchema.safeParse(nothing({ highBytes: 300 * MB, maxBytes: 400 * MB, lowBytes: 96 * MB }))).toMatchObject({ success: true, data: { highBytes: null, maxBytes: null, lowBytes: 0 } })
  })

  it('refuses less than 64 MB, an end without a slow-down, and an end below it', () => {
    expect(parse(draft({ highBytes: '63' }), null)).toMatchObject({ ok: false, errors: { highBytes: expect.stringContaining('64 MB') as string } })
    expect(parse(draft({ maxBytes: '400' }), null)).toMatchObject({ ok: false, errors: { highBytes: expect.stringContaining('slowed down') as string } })
    expect(parse(draft({ highBytes: '400', maxBytes: '300' }), null)).toMatchObject({ ok: false, errors: { maxBytes: expect.any(String) as string } })
    expect(parse(draft({ highBytes: 'many' }), null)).toMatchObject({ ok: false, errors: { highBytes: expect.stringContaining('number') as string } })
  })

  it('sends slow-down and end together, as the schema wants them', () => {
    const parsed = parse(draft({ highBytes: '300', maxBytes: '400' }), { highBytes: 300 * MB })
    expect(parsed).toEqual({ ok: true, limits: { highBytes: 300 * MB, maxBytes: 400 * MB }, changes: 1 })
  })

  it('suggests half of the present use, never below the least', () => {
    expect(suggestion(640 * MB)).toBe(320 * MB)
    expect(suggestion(80 * MB)).toBe(64 * MB)
  })
})
