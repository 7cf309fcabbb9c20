import type { ZswapState } from '../contract/snapshot.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { readInteger, readText, under } from './files.ts'
import { meminfoField } from './meminfo.ts'

export const ZSWAP_FOLDER = '/sys/module/zswap/parameters'

const flag = (reading: Reading<string>): Reading<boolean> => {
  if (reading.value === null) return reading
  const text = reading.value.trim()
  if (text === 'Y' || text === '1') return known(true)
  if (text === 'N' || text === '0') return known(false)
  return missing('malformed', `expected Y or N, got "${text.slice(0, 40)}"`)
}

/**
 * What the pool takes and holds: /proc/meminfo since 5.19, before that only
 * debugfs knows, which root alone may read.
 */
const pool = (root: string, meminfo: ReadonlyMap<string, number>, pageBytes: number): { poolBytes: Reading; storedBytes: Reading } => {
  const poolBytes = meminfoField(meminfo, 'Zswap', '5.19')
  const storedBytes = meminfoField(meminfo, 'Zswapped', '5.19')
  if (poolBytes.value !== null && storedBytes.value !== null) return { poolBytes, storedBytes }
  const debugPool = readInteger(under(root, '/sys/kernel/debug/zswap/pool_total_size'))
  const debugPages = readInteger(under(root, '/sys/kernel/debug/zswap/stored_pages'))
  if (debugPool.value === null || debugPages.value === null) return { poolBytes, storedBytes }
  return { poolBytes: known(debugPool.value), storedBytes: known(debugPages.value * pageBytes) }
}

export const readZswap = (root: string, meminfo: ReadonlyMap<string, number>, pageBytes = 4096): Reading<ZswapState> => {
  const file = (name: string): string => under(root, `${ZSWAP_FOLDER}/${name}`)
  const enabled = flag(readText(file('enabled')))
  if (enabled.value === null) return enabled
  const compressor = readText(file('compressor'))
  if (compressor.value === null) return compressor
  const maxPoolPercent = readInteger(file('max_pool_percent'))
  if (maxPoolPercent.value === null) return maxPoolPercent
  return known({
    enabled: enabled.value,
    compressor: compressor.value.trim(),
    maxPoolPercent: maxPoolPercent.value,
    shrinkerEnabled: flag(readText(file('shrinker_enabled'))),
    ...pool(root, meminfo, pageBytes),
  })
}
