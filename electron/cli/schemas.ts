import { z } from 'zod'
import { fail } from '../../helper/contract/result.ts'
import { answers, type AnswerName } from './answers.ts'
import { EXIT } from './exit-codes.ts'
import { out, printFailure, say } from './print.ts'

/** Which commands print which answer with --json; any may print `error` instead. */
export const printedBy: Record<AnswerName, readonly string[]> = {
  agents: ['agents'],
  snapshot: ['snapshot'],
  'snapshot-saved': ['snapshot --save LABEL'],
  presets: ['presets'],
  layers: ['layers'],
  status: ['status'],
  plan: ['plan', 'memory-enforce --simulation', 'try --simulation'],
  run: ['apply', 'layer', 'page-out', 'drop-caches', 'memory-enforce', 'try'],
  unchanged: ['apply', 'layer', 'page-out', 'memory-enforce', 'try'],
  kept: ['keep'],
  undone: ['undo'],
  'rolled-back': ['rollback'],
  runs: ['runs'],
  comparison: ['compare'],
  suspended: ['suspend'],
  resumed: ['resume'],
  limit: ['limit', 'budget'],
  'agents-set': ['pin', 'unpin', 'protect'],
  freed: ['free'],
  timeline: ['timeline'],
  policy: ['policy show', 'policy set'],
  units: ['units'],
  'units-of-agent': ['units AGENT'],
  leftovers: ['leftovers'],
  reaped: ['reap'],
  fixes: ['fixes', 'fix', 'unfix', 'hooks list', 'hooks install', 'hooks remove'],
  guard: ['guard'],
  diagnosis: ['memory-diagnose'],
  rule: ['explain RULE'],
  'did-not-fall': ['explain RUN'],
  leaks: ['leaks'],
  processes: ['processes'],
  watch: ['memory-watch'],
  'trace-lines': ['trace'],
  trace: ['trace LINE'],
  journal: ['journal search'],
  'journal-entry': ['journal note', 'journal did'],
  'journal-import': ['journal import'],
  error: [],
}

/** JSON Schema (2020-12) of an answer. Fields may be added to one without a new version, so others are allowed. */
export const schemaOf = (name: AnswerName) => z.toJSONSchema(answers[name], { io: 'input' })

const isAnswer = (name: string): name is AnswerName => name in answers

/** The schema of one answer, or which there are. */
export const printSchema = (name: string | null): number => {
  if (name === null) {
    for (const [answer, commands] of Object.entries(printedBy)) say(`${answer.padEnd(16)} ${commands.length === 0 ? 'any command that fails' : commands.join(', ')}`, 17)
    return EXIT.ok
  }
  if (!isAnswer(name)) return printFailure(fail('bad-request', `No answer is called "${name}".`, { expected: Object.keys(answers).join(', '), got: name }).error, false)
  out(JSON.stringify(schemaOf(name), null, 2))
  return EXIT.ok
}
