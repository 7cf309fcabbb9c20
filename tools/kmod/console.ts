/** What init ends the machine with; QEMU doubles it and adds one. */
const GOOD_EXIT = (49 << 1) | 1
const SPLAT = /BUG:|WARNING:|Oops|KASAN|KCSAN|UBSAN|general protection|possible circular locking|possible recursive locking|inconsistent lock state|suspicious RCU|unreferenced object|refcount_t:|Call Trace|stack segment|blocked for more than|rcu: INFO|Kernel panic|Bad page|list_(?:add|del) corruption/u

/** Memory was refused: what the kernel tells of it, with a call trace, is no fault. Anything else in it is. */
const REFUSED = /vmalloc error: size|page allocation failure: order/u
const REFUSED_END = /pages reserved|pages hwpoisoned/u

/** The first line of what must not be there, -1 where there is none. */
export const findSplat = (lines: readonly string[]): number => {
  let refused = false
  return lines.findIndex((line) => {
    refused = REFUSED.test(line) || (refused && !REFUSED_END.test(line))
    return SPLAT.test(refused ? line.replace('Call Trace', '') : line)
  })
}

/**
 * What a guest said and how it ended: the names of what passed, and all that
 * went wrong. `plainEnd`: of a kernel where programs cannot end the machine
 * with a number; it is switched off.
 */
export const readConsole = (text: string, status: number | null, plainEnd = false): { passed: string[]; failures: string[] } => {
  const lines = text.split('\n').map((line) => line.replaceAll('\r', ''))
  const passed = lines.flatMap((line) => /^ok (.*)$/u.exec(line)?.[1] ?? [])
  const failures = lines.flatMap((line) => /^not ok (.*)$/u.exec(line)?.[1] ?? [])
  const splat = findSplat(lines)
  if (splat !== -1) failures.push(`the kernel says: ${lines.slice(splat, splat + 12).join(' | ')}`)
  // A machine that ended in another way ran no test to its end.
  if (!lines.includes('# end') || status !== (plainEnd ? 0 : GOOD_EXIT)) failures.push(`the machine ended with ${status ?? 'a time-out'}: ${lines.slice(-4).join(' | ')}`)
  if (passed.length === 0) failures.push('no test ran')
  return { passed, failures }
}

