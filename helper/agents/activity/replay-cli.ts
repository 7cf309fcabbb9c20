import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from '../signatures.ts'
import { createRule, ruleNames, type Rule } from './replay.ts'
import { sampleSchema } from './sample.ts'

/**
 * Judges recorded samples again: lines of samples on standard input, and for
 * each a line of verdicts on standard output, by the rules asked for. An
 * interval leaves samples out, so that they come as often as the session
 * role looks.
 */
const { values } = parseArgs({
  options: {
    rule: { type: 'string', multiple: true, default: ['product'] },
    'interval-ms': { type: 'string', default: '0' },
    signatures: { type: 'string', default: BUILT_IN_SIGNATURES_PATH },
  },
})

const stop = (message: string): never => {
  console.error(message)
  process.exit(2)
}
const names = values.rule.map((name) => ruleNames.find((known) => known === name) ?? stop(`--rule: expected one of ${ruleNames.join(', ')}, got "${name}"`))
const intervalMs = Number(values['interval-ms'])
if (!(intervalMs >= 0)) stop(`--interval-ms: expected a number from 0 up, got "${values['interval-ms']}"`)
const signatures = loadSignatures(values.signatures)
if (!signatures.ok) stop(signatures.error.message)
else {
  const percents = new Map(signatures.value.agents.map(({ kind, idleCpuPercent }) => [kind, idleCpuPercent]))
  const rules: Rule[] = names.map((name) => createRule(name, (kind) => percents.get(kind)))
  const takenAtMs = new Map<string, number>()
  let line = 0
  for await (const text of createInterface({ input: process.stdin })) {
    line += 1
    const parsed = sampleSchema.safeParse(JSON.parse(text))
    if (!parsed.success) {
      stop(`line ${line}: no sample of version 1: ${parsed.error.issues[0]?.path.join('.') ?? ''}: ${parsed.error.issues[0]?.message ?? ''}`)
      break
    }
    const sample = parsed.data
    // Half a sample's distance early counts as on time.
    if (sample.atMs - (takenAtMs.get(sample.id) ?? Number.NEGATIVE_INFINITY) < intervalMs - 500) continue
    takenAtMs.set(sample.id, sample.atMs)
    process.stdout.write(`${JSON.stringify(rules.map((rule) => rule(sample)))}\n`)
  }
}
