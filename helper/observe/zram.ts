import type { ZramDevice } from '../contract/snapshot.ts'
import { integer, listNames, parseChoice, readInteger, readText, under } from './files.ts'

/** mm_stat: orig_data_size, compr_data_size, mem_used_total, then figures that newer kernels append. */
export const parseMmStat = (text: string): { storedBytes: number; compressedBytes: number; poolBytes: number } | null => {
  const [stored, compressed, pool] = text.trim().split(/\s+/u).map((word) => integer(word))
  if (stored == null || compressed == null || pool == null) return null
  return { storedBytes: stored, compressedBytes: compressed, poolBytes: pool }
}

/** Every zram device, also unused ones (size 0). A device that goes away while it is read is left out. */
export const readZram = (root: string): ZramDevice[] => {
  const names = listNames(under(root, '/sys/block'))
  if (names.value === null) return []
  const numbers = names.value.flatMap((name) => integer(/^zram(\d+)$/u.exec(name)?.[1]) ?? [])
  return numbers.toSorted((a, b) => a - b).flatMap((number): ZramDevice[] => {
    const name = `zram${number}`
    const file = (leaf: string): string => under(root, `/sys/block/${name}/${leaf}`)
    const diskSize = readInteger(file('disksize'))
    const algorithm = readText(file('comp_algorithm'))
    if (diskSize.value === null || algorithm.value === null) return []
    const choice = parseChoice(algorithm.value)
    const stat = readText(file('mm_stat'))
    const figures = stat.value === null ? null : parseMmStat(stat.value)
    return [{
      name,
      diskSizeBytes: diskSize.value,
      algorithm: choice.chosen ?? choice.all[0] ?? '',
      algorithms: choice.all,
      // An unused device has no figures on some kernels, and holds nothing.
      ...(figures ?? { storedBytes: 0, compressedBytes: 0, poolBytes: 0 }),
    }]
  })
}
