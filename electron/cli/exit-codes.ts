import type { ErrorCode } from '../../helper/contract/errors.ts'

/** What the shell gets; listed in `agentmemctl --help`. */
export const EXIT = { ok: 0, failed: 1, usage: 2, noHelper: 3, notAllowed: 4, busy: 5, cannot: 6, warning: 10, critical: 11, interrupted: 130 } as const

export const EXIT_HELP = `Exit codes:
  0  done
  1  failed; what was changed was taken back
  2  the command line is not valid
  3  the helper cannot be reached, or is of another version
  4  not authorised (dismissed, denied, or a password would be needed)
  5  another run is open, or the plan has changed
  6  this machine cannot do it (not supported, does not fit, disk full), or what is
     tried changes nothing here
  10  memory-diagnose --exit-code: a warning was found
  11  memory-diagnose --exit-code: something critical was found
  130  interrupted; what was changed was taken back`

/** One for each code: a new code without an exit code does not compile. */
const codes: Record<ErrorCode, number> = {
  'bad-request': EXIT.usage,
  'helper-missing': EXIT.noHelper,
  'helper-gone': EXIT.noHelper,
  'too-old': EXIT.noHelper,
  'authorization-dismissed': EXIT.notAllowed,
  'authorization-obtainable': EXIT.notAllowed,
  'authorization-denied': EXIT.notAllowed,
  'not-yours': EXIT.notAllowed,
  busy: EXIT.busy,
  'plan-changed': EXIT.busy,
  'not-supported': EXIT.cannot,
  'does-not-fit': EXIT.cannot,
  'disk-full': EXIT.cannot,
  cancelled: EXIT.interrupted,
  'write-refused': EXIT.failed,
  'read-back-differs': EXIT.failed,
  'process-gone': EXIT.failed,
  'no-such-run': EXIT.failed,
  'journal-unusable': EXIT.failed,
  internal: EXIT.failed,
}
export const exitCodeOf = (code: ErrorCode): number => codes[code]
