import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { readEvidence } from '../../../helper/observe/evidence/read.ts'
import { judge } from './engine.ts'
import { kernelFeatures } from './features.ts'
import { rules } from './rules/all.ts'
import { lastOf, seriesOf } from './series.ts'

/**
 * What the rules make of a machine, as JSON: of the running one, of a captured
 * tree (--root), or of a captured series of looks (--looks, a folder). For
 * captures, benches and whoever writes a rule; no helper, history or journal.
 */
const { values } = parseArgs({ options: { root: { type: 'string', default: '/' }, looks: { type: 'string' } } })

/** Schemas are loaded where something comes from outside: they are a third of the memory this takes. */
const fromFolder = async (folder: string): Promise<Evidence[]> => {
  const { evidenceSchema } = await import('../../../helper/contract/evidence.ts')
  return readdirSync(folder).filter((name) => name.endsWith('.json')).toSorted().map((name) => evidenceSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))))
}

const series = seriesOf(values.looks === undefined ? [await readEvidence(values.root, { uid: null, privileged: process.getuid?.() === 0 })] : await fromFolder(values.looks))
if (series === null) {
  console.error(`expected looks (*.json) in ${values.looks ?? ''}, got none`)
  process.exitCode = 2
} else {
  const last = lastOf(series)
  console.log(JSON.stringify({ kernelRelease: last.kernelRelease, privileged: last.privileged, looks: series.length, processes: last.processes.length, ...judge(rules, series), features: kernelFeatures(last) }, null, 1))
}
