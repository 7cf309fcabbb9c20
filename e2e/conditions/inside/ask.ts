/** What an ordinary user does: asks what is wrong, and does what is advised. */
import { rmSync } from 'node:fs'
import { check, read, tryRun } from '../../guest/inside/harness.ts'
import { asUser, DEV, INSTALLED } from '../../guest/inside/users.ts'

export interface Solution { readonly id: string; readonly title: string; readonly undo: string; readonly act: { readonly how: string; readonly command?: string; readonly needsRoot?: boolean } }
export interface Finding { readonly rule: string; readonly subject: string; readonly severity: string; readonly title: string; readonly explanation: string; readonly solutions: readonly Solution[] }

const CLI = '/mnt/guest/app/build/cli/agentmemctl.js'
/** `agentmemctl`, as a program and its words. */
export const AGENTMEMCTL = [`${INSTALLED}/node`, CLI]

/** What the guard last said: why a run was taken back, where it was the guard. */
const guardWord = (): string => read('/run/agentmem/guard-words.jsonl').split('\n').findLast((line) => line.includes('"pressure"') || line.includes('"low-memory"') || line.includes('"oom-kill"')) ?? 'nothing'

const ctl = (words: readonly string[], timeoutMs = 120_000): string => {
  const [program = '', ...args] = asUser(DEV, ...AGENTMEMCTL, ...words)
  const { status, out } = tryRun(program, args, timeoutMs)
  check(status === 0, `agentmemctl ${words.join(' ')} ended with ${status}: ${out.slice(-1200)}; the guard said ${guardWord()}`)
  return out
}

const jsonOf = (text: string): Record<string, unknown> => JSON.parse(text.slice(text.indexOf('{'))) as Record<string, unknown>

/** What is found, looking for so long: rates need seconds, growth a minute. */
export const diagnose = (lookFor: string): readonly Finding[] => jsonOf(ctl(['memory-diagnose', '--json', '--for', lookFor]))['findings'] as Finding[]

/** As a user who never asked before: looks and runs of the condition before are none of this one's business. */
export const forget = (): void => {
  rmSync(`/home/${DEV.name}/.local/state/agentmem`, { recursive: true, force: true })
}

interface RateRow { readonly label: string; readonly before: { readonly value: number | null }; readonly after: { readonly value: number | null } }
const ratesOf = (detail: Record<string, unknown>): readonly RateRow[] => (detail['delta'] as { readonly rates?: { readonly rows: readonly RateRow[] } } | null)?.rates?.rows ?? []

/** Tries a solution as a run, and keeps it; answers the run's id. */
export const tryKept = (finding: Finding, solution: string): string => {
  const detail = jsonOf(ctl(['try', finding.rule, solution, '--yes', '--keep', '--json', ...(finding.subject === '' ? [] : ['--subject', finding.subject])], 300_000))
  const record = detail['record'] as { id: string; state: string; plan: { steps: { target: string; old: string | null; new: string }[] } } | undefined
  for (const { target, old, new: next } of record?.plan.steps ?? []) console.log(`#   changed ${target}: ${old ?? 'nothing'} -> ${next}`)
  check((record?.plan.steps ?? []).length > 0, `the plan of ${solution} changes nothing: ${JSON.stringify(record).slice(0, 2000)}`)
  check(record?.state === 'kept', `the run of ${solution} is ${record?.state ?? JSON.stringify(detail).slice(0, 400)}`)
  for (const { label, before, after } of ratesOf(detail)) console.log(`#   the run itself: ${label}: ${before.value ?? 'unknown'} -> ${after.value ?? 'unknown'}`)
  return record?.id ?? ''
}

export const undo = (runId: string): void => void ctl(['undo', runId, '--json'], 300_000)

/** A command of a solution, as it is printed: by the user, and by root where it says sudo. */
export const typed = ({ act }: Solution): string => {
  check(act.how === 'command' && act.command !== undefined, `it is ${act.how}, no command`)
  const line = act.command ?? ''
  const [program = '', ...args] = act.needsRoot === true ? ['sh', '-c', line.replaceAll(/\bsudo /gu, '')] : asUser(DEV, 'sh', '-c', line)
  const { status, out } = tryRun(program, args)
  check(status === 0, `${line} ended with ${status}: ${out.slice(-800)}`)
  return out
}
