import type { Zone } from '../../contract/evidence.ts'
import { known } from '../../contract/known.ts'
import type { Missing, Reading } from '../../contract/reading.ts'
import { integer, readText, under } from '../files.ts'

type Key = `${number} ${string}`

/** Lines `Node 0, zone Normal 1 2 3` of /proc/buddyinfo and debugfs extfrag_index. */
export const parseZoneRows = (text: string): Map<Key, number[]> => {
  const rows = new Map<Key, number[]>()
  for (const line of text.split('\n')) {
    const match = /^Node (\d+), zone +(\S+) +(.+)$/u.exec(line)
    if (match === null) continue
    const numbers = (match[3] ?? '').trim().split(/\s+/u).map(Number)
    if (numbers.every(Number.isFinite)) rows.set(`${Number(match[1])} ${match[2] ?? ''}`, numbers)
  }
  return rows
}

/** /proc/zoneinfo; per-cpu figures and zones without memory are skipped. */
export const parseZoneinfo = (text: string): Omit<Zone, 'freeBlocks' | 'fragmentationIndex'>[] =>
  text.split(/^(?=Node \d+, zone)/mu).flatMap((block) => {
    const head = /^Node (\d+), zone +(\S+)/u.exec(block)
    const pages = (name: string): number => integer(new RegExp(`^ +(?:pages )?${name} +(\\d+)$`, 'mu').exec(block)?.[1]) ?? 0
    const managedPages = pages('managed')
    if (head === null || managedPages === 0) return []
    return [{
      node: Number(head[1]), zone: head[2] ?? '', managedPages,
      freePages: integer(/^ +pages free +(\d+)$/mu.exec(block)?.[1]) ?? 0,
      minPages: pages('min'), lowPages: pages('low'), highPages: pages('high'),
    }]
  })

export const readZones = (root: string): Zone[] => {
  const blocks = parseZoneRows(readText(under(root, '/proc/buddyinfo')).value ?? '')
  const index = readText(under(root, '/sys/kernel/debug/extfrag/extfrag_index'))
  const indices = parseZoneRows(index.value ?? '')
  return parseZoneinfo(readText(under(root, '/proc/zoneinfo')).value ?? '').map((zone) => {
    const key: Key = `${zone.node} ${zone.zone}`
    const found = indices.get(key)
    const absent: Missing = { value: null, reason: index.value === null ? index.reason : 'malformed', ...(index.value === null && index.detail !== undefined ? { detail: index.detail } : {}) }
    const fragmentationIndex: Reading<number[]> = found === undefined ? absent : known(found)
    return { ...zone, freeBlocks: blocks.get(key) ?? [], fragmentationIndex }
  })
}
