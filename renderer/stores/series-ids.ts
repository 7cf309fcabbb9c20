/** Ids of the machine-wide series in the history, as the app records them. */
export const seriesIds = {
  agents: 'machine.agents',
  compressed: 'machine.compressed',
  available: 'machine.available',
  pressure: 'machine.pressure',
} as const

/**
 * Agents are measured less often than the machine: between two looks the last
 * known figure is carried on, for at most `holdMs`; longer gaps stay gaps.
 */
export const hold = (atMs: readonly number[], values: readonly (number | null)[], holdMs: number): (number | null)[] => {
  let last: { atMs: number; value: number } | null = null
  return atMs.map((at, i) => {
    const value = values[i] ?? null
    if (value !== null) last = { atMs: at, value }
    return last !== null && at - last.atMs <= holdMs ? last.value : null
  })
}
