import { z } from 'zod'

/** Every change carries who or what wanted it. */
export const causeSchema = z.enum([
  'user-preset',
  'user-layer',
  'user-undo',
  'user-cancel',
  'command-line',
  'at-login',
  'confirm-timeout',
  'caller-gone',
  'step-failed',
  'settle',
  'startup-recovery',
  'restart', // of the computer: what was kept lasted until then
  'watchdog',
])
export type Cause = z.infer<typeof causeSchema>
