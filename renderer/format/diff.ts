export interface DiffLine {
  kind: 'same' | 'added' | 'removed' | 'gap'
  text: string
}

/** Unchanged lines kept around a change. */
const CONTEXT = 3
/** Above this the table of the longest common lines would take too long: all out, all in. */
const MOST_CELLS = 4_000_000

const linesOf = (text: string | null): string[] => (text === null || text === '' ? [] : text.replace(/\n$/u, '').split('\n'))

/** Length of the longest common run of lines from each pair of places on, row by row. */
const common = (a: readonly string[], b: readonly string[]): Uint32Array[] => {
  const rows = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = rows[i]
      if (row !== undefined) row[j] = a[i] === b[j] ? (rows[i + 1]?.[j + 1] ?? 0) + 1 : Math.max(rows[i + 1]?.[j] ?? 0, row[j + 1] ?? 0)
    }
  return rows
}

const wholeDiff = (a: readonly string[], b: readonly string[]): DiffLine[] => {
  if (a.length * b.length > MOST_CELLS) return [...a.map((text) => ({ kind: 'removed' as const, text })), ...b.map((text) => ({ kind: 'added' as const, text }))]
  const rows = common(a, b)
  const out: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const mine = a[i]
    const theirs = b[j]
    if (mine !== undefined && mine === theirs) {
      out.push({ kind: 'same', text: mine })
      i += 1
      j += 1
    } else if (mine !== undefined && (theirs === undefined || (rows[i + 1]?.[j] ?? 0) >= (rows[i]?.[j + 1] ?? 0))) {
      out.push({ kind: 'removed', text: mine })
      i += 1
    } else {
      out.push({ kind: 'added', text: theirs ?? '' })
      j += 1
    }
  }
  return out
}

/** The change of a text line by line, with a few unchanged lines around each place; a gap says how many are left out. */
export const diffLines = (before: string | null, after: string | null): DiffLine[] => {
  const all = wholeDiff(linesOf(before), linesOf(after))
  const near = all.map((_line, i) => all.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ kind }) => kind !== 'same'))
  const out: DiffLine[] = []
  let hidden = 0
  const close = (): void => {
    if (hidden > 0) out.push({ kind: 'gap', text: `${hidden} unchanged ${hidden === 1 ? 'line' : 'lines'}` })
    hidden = 0
  }
  for (const [i, line] of all.entries())
    if (near[i] === true) {
      close()
      out.push(line)
    } else hidden += 1
  close()
  return out
}
