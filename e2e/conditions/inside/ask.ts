/** What an ordinary user does: asks what is wrong, and tries what is advised. */
import { check, read, tryRun } from '../../guest/inside/harness.ts'
import { asUser, DEV, INSTALLED } from '../../guest/inside/users.ts'

export interface Solution { readonly id: string; readonly title: string; readonly act: { readonly how: string; readonly command?: string } }
export interface Finding { readonly rule: string; readonly subject: string; readonly severity: string; readonly title: string; readonly explanation: string; readonly solutions: readonly Solution[] }

const CLI = '/mnt/guest/app/build/cli/agentmemctl.js'
const ctl = (words: readonly string[], timeoutMs = 120_000): string => {
  const [program = '', ...args] = asUser(DEV, `${INSTALLED}/node`, CLI, ...words)
  const { status, out } = tryRun(program, args, timeoutMs)
  check(status === 0, `agentmemctl ${words.join(' ')} ended with ${status}: ${out.slice(-1200)}`)
  return out
}

const jsonOf = (text: string): Record<string, unknown> => JSON.parse(text.slice(text.indexOf('{'))) as Record<string, unknown>

/** Two looks or more, `apart` apart, so that rates are known. */
export const diagnose = (apart = '4s'): readonly Finding[] => jsonOf(ctl(['memory-diagnose', '--json', '--for', apart]))['findings'] as Finding[]

/** Tries a solution as a run and keeps it; answers the run's id. */
export const tryKept = (finding: Finding, solution: string): string => {
  const detail = jsonOf(ctl(['try', finding.rule, solution, '--yes', '--keep', '--json', ...(finding.subject === '' ? [] : ['--subject', finding.subject])], 300_000))
  const record = detail['record'] as { id: string; state: string } | undefined
  check(record?.state === 'kept', `the run of ${solution} is ${record?.state ?? JSON.stringify(detail).slice(0, 400)}`)
  return record?.id ?? ''
}

export const undo = (runId: string): void => void ctl(['undo', runId, '--json'], 300_000)

export const meminfo = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'mu').exec(read('/proc/meminfo'))?.[1] ?? Number.NaN) * 1024
export const vmstat = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'mu').exec(read('/proc/vmstat'))?.[1] ?? Number.NaN)
