/** What a guest printed, as a result of the suite. */
export interface GuestResult {
  /** Name of the suite, by which its result lies in build/results. */
  suite: string
  passed: number
  failed: number
  skipped: number
  skips: { name: string; reason: string }[]
  failures: string[]
}

/** The kernel says so when something is wrong with it; nothing of ours may make it. A bare call trace is no sign: one comes with each process that a memory limit ends. */
const KERNEL_TROUBLE = /\b(?:BUG:|WARNING:|Oops\b|KASAN|general protection fault|possible circular locking|unreferenced object|Kernel panic)/u

/** Said by a kernel under emulation about its own time, and by nothing that is wrong. */
const HARMLESS = /clocksource|tsc:|hrtimer|perf: interrupt took too long/iu

export const kernelTrouble = (consoleText: string): string[] => consoleText.split('\n').filter((line) => KERNEL_TROUBLE.test(line) && !HARMLESS.test(line))

/**
 * `ok - NAME`, `ok - NAME # SKIP WHY`, `not ok - NAME # WHY`, and last
 * `1..COUNT`. Without the last line the guest did not come to its end, which
 * fails whatever passed before.
 */
export const readResult = (lines: string, consoleText: string): GuestResult => {
  const result: GuestResult = { suite: 'guest', passed: 0, failed: 0, skipped: 0, skips: [], failures: [] }
  const failWith = (text: string): void => {
    result.failed += 1
    result.failures.push(text)
  }
  let count = 0
  let plan: number | null = null
  for (const line of lines.replaceAll('\r', '').split('\n')) {
    const end = /^1\.\.(?<count>\d+)$/u.exec(line)
    if (end !== null) plan = Number(end.groups?.['count'])
    const match = /^(?<not>not )?ok - (?<name>.*?)(?: # (?<skip>SKIP )?(?<why>.*))?$/u.exec(line)
    if (match === null) continue
    const { not, name = '', skip, why = '' } = match.groups ?? {}
    count += 1
    if (not !== undefined) failWith(`${name}: ${why}`)
    else if (skip === undefined) result.passed += 1
    else if (why === '') failWith(`${name} (skipped without a reason)`)
    else {
      result.skipped += 1
      result.skips.push({ name, reason: why })
    }
  }
  if (plan === null) failWith('the guest did not come to the end of its tests')
  else if (plan !== count || plan === 0) failWith(`the guest ran ${plan} tests, ${count} were heard of`)
  for (const line of kernelTrouble(consoleText)) failWith(`kernel: ${line.trim()}`)
  return result
}
