/** Beyond this many comparisons the middle is shown as taken out and put in, whole. */
const MOST_CELLS = 4_000_000
const CONTEXT = 2

type Line = { sign: ' ' | '-' | '+'; text: string }

/** Longest common part of two lists of lines, as signed lines. */
const middleOf = (before: readonly string[], after: readonly string[]): Line[] => {
  const rows = before.length
  const columns = after.length
  const whole = (): Line[] => [...before.map((text): Line => ({ sign: '-', text })), ...after.map((text): Line => ({ sign: '+', text }))]
  if (rows === 0 || columns === 0 || rows * columns > MOST_CELLS) return whole()
  const width = columns + 1
  const length = new Uint32Array((rows + 1) * width)
  const at = (row: number, column: number): number => length[row * width + column] ?? 0
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      length[row * width + column] = before[row] === after[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  const lines: Line[] = []
  let row = 0
  let column = 0
  while (row < rows || column < columns) {
    const [old, next] = [before[row], after[column]]
    if (old !== undefined && old === next) {
      lines.push({ sign: ' ', text: old })
      row += 1
      column += 1
    } else if (old !== undefined && (next === undefined || at(row + 1, column) >= at(row, column + 1))) {
      lines.push({ sign: '-', text: old })
      row += 1
    } else if (next !== undefined) {
      lines.push({ sign: '+', text: next })
      column += 1
    }
  }
  return lines
}

const linesOf = (text: string): string[] => {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** What changes between two texts, with two lines around each change; "..." where lines are left out. Empty when nothing does. */
export const textDiff = (before: string, after: string): string[] => {
  const [a, b] = [linesOf(before), linesOf(after)]
  const least = Math.min(a.length, b.length)
  let head = 0
  while (head < least && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < least - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1
  const same = (lines: readonly string[]): Line[] => lines.map((text) => ({ sign: ' ', text }))
  const all = [...same(a.slice(0, head)), ...middleOf(a.slice(head, a.length - tail), b.slice(head, b.length - tail)), ...same(a.slice(a.length - tail))]
  const changed = all.flatMap((line, i) => (line.sign === ' ' ? [] : [i]))
  const near = new Set(changed.flatMap((i) => Array.from({ length: 2 * CONTEXT + 1 }, (_, d) => i - CONTEXT + d)))
  const shown: string[] = []
  let last = -1
  all.forEach((line, i) => {
    if (!near.has(i)) return
    if (i > last + 1) shown.push('...')
    shown.push(`${line.sign} ${line.text}`)
    last = i
  })
  if (shown.length > 0 && last < all.length - 1) shown.push('...')
  return shown
}
