import type { z } from 'zod'
import type { Pressure, pressureLineSchema } from '../contract/snapshot.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { integer, mapReading, readText, under } from './files.ts'

type PressureLine = z.infer<typeof pressureLineSchema>

const parseLine = (line: string): PressureLine | null => {
  const match = /^\w+ avg10=(\d+\.\d+) avg60=(\d+\.\d+) avg300=(\d+\.\d+) total=(\d+)$/u.exec(line)
  const totalUs = integer(match?.[4])
  if (match === null || totalUs === null) return null
  return { avg10Percent: Number(match[1]), avg60Percent: Number(match[2]), avg300Percent: Number(match[3]), totalUs }
}

/** /proc/pressure/*: two lines, or `some` alone for cpu before 5.13. */
export const parsePressure = (text: string): Pressure | null => {
  const lines = text.split('\n')
  const some = parseLine(lines.find((line) => line.startsWith('some ')) ?? '')
  const fullText = lines.find((line) => line.startsWith('full '))
  if (some === null) return null
  if (fullText === undefined) return { some, full: missing('not-supported', 'no "full" line: needs Linux 5.13 for cpu') }
  const full = parseLine(fullText)
  return full === null ? null : { some, full: known(full) }
}

/** Pressure stall information: 4.20+ with CONFIG_PSI; reading gives EOPNOTSUPP when booted with psi=0. */
export const readPressure = (root: string, resource: 'memory' | 'cpu' | 'io'): Reading<Pressure> => {
  const path = `/proc/pressure/${resource}`
  return mapReading(readText(under(root, path)), parsePressure, path)
}
