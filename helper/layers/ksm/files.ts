import { ksmPath } from '../../plan/paths.ts'
import type { KernelFile } from '../kernel-file.ts'

const file = (name: Parameters<typeof ksmPath>[0], values: RegExp): KernelFile => ({ source: 'ksm', path: ksmPath(name), values, readable: true })

/** docs/kernel-interfaces.md: admin-guide/mm/ksm.rst. */
export const ksmFiles: readonly KernelFile[] = [
  file('run', /^[012]$/u),
  file('pages_to_scan', /^\d{1,10}$/u),
  file('sleep_millisecs', /^\d{1,10}$/u),
  file('advisor_mode', /^(none|scan-time)$/u),
  file('smart_scan', /^[01]$/u),
]
