/** One line of a bench's table; `must` is empty for figures that are only shown. */
export interface Row { what: string; value: number; unit: string; must: string; ok: boolean }

const rounded = (value: number): number => (Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100)

/** Collects rows and prints them as every bench does: a table, then one JSON line; exit code 1 when one falls short. */
export const createRows = (bench: string) => {
  const rows: Row[] = []
  return {
    atMost: (what: string, value: number, limit: number, unit: string): void => { rows.push({ what, value: rounded(value), unit, must: `<= ${limit}`, ok: value <= limit }) },
    below: (what: string, value: number, limit: number, unit: string): void => { rows.push({ what, value: rounded(value), unit, must: `< ${limit}`, ok: value < limit }) },
    atLeast: (what: string, value: number, limit: number, unit: string): void => { rows.push({ what, value: rounded(value), unit, must: `>= ${limit}`, ok: value >= limit }) },
    shown: (what: string, value: number, unit: string): void => { rows.push({ what, value: rounded(value), unit, must: '', ok: true }) },
    print: (): void => {
      const width = Math.max(...rows.map((row) => row.what.length))
      for (const row of rows) console.log(`${row.what.padEnd(width)}  ${String(row.value).padStart(8)} ${row.unit.padEnd(4)}  ${row.must.padStart(8)}  ${row.must === '' ? '' : row.ok ? 'ok' : 'SHORT'}`)
      console.log(JSON.stringify({ bench, rows }))
      if (rows.some((row) => !row.ok)) process.exitCode = 1
    },
  }
}

/** The value below which `share` (0 to 1) of the numbers lie; NaN of none. */
export const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
