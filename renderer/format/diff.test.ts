import { describe, expect, it } from 'vitest'
import { diffLines } from './diff.ts'

const short = (before: string | null, after: string | null): string[] => diffLines(before, after).map(({ kind, text }) => `${{ same: ' ', added: '+', removed: '-', gap: '@' }[kind]}${text}`)

describe('the change of a file', () => {
  it('of a new file is all of it, of a removed one too', () => {
    expect(short(null, 'a\nb\n')).toEqual(['+a', '+b'])
    expect(short('a\n', null)).toEqual(['-a'])
  })

  it('keeps what is common and shows the old line before the new one', () => {
    expect(short('a\nb\nc\n', 'a\nB\nc\n')).toEqual([' a', '-b', '+B', ' c'])
    expect(short('{\n}\n', '{\n  "hooks": 1\n}\n')).toEqual([' {', '+  "hooks": 1', ' }'])
  })

  it('leaves unchanged lines out and says how many', () => {
    const many = Array.from({ length: 12 }, (_, i) => `line ${i}`)
    expect(short(many.join('\n'), [...many, 'new'].join('\n'))).toEqual(['@9 unchanged lines', ' line 9', ' line 10', ' line 11', '+new'])
  })

  it('says so of texts that are equal', () => {
    expect(short('a\n', 'a\n')).toEqual(['@1 unchanged line'])
  })
})
