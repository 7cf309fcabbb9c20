import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import type { Protection } from '../../contract/diagnosis.ts'
import { amount, counted, listed } from '../amounts.ts'

type State = Protection['state']

const of = <T extends string | number | boolean>(id: string, title: string, reading: Reading<T>, source: string, say: (value: T) => readonly [State, string]): Protection => {
  if ('reason' in reading) return { id, title, state: 'unknown', says: `cannot be read here (${reading.detail ?? reading.reason})`, source }
  const [state, says] = say(reading.value)
  return { id, title, state, says, source }
}

/** Without Yama, a part of the kernel that not all are built with, the kernel's own rule is all there is. */
const ptrace = ({ hardening: { ptraceScope } }: Evidence): Protection => {
  const id = 'ptrace'
  const title = 'Who may read another program\'s memory'
  const source = '/proc/sys/kernel/yama/ptrace_scope'
  const names = ['every program of the same user', 'only a program\'s own children', 'only root', 'nobody']
  if ('reason' in ptraceScope && ptraceScope.reason === 'not-supported') return { id, title, state: 'off', says: `${names[0]}: this kernel has no Yama, which could narrow it`, source }
  return of(id, title, ptraceScope, source, (scope) => [scope > 0 ? 'on' : 'off', names[scope] ?? String(scope)])
}

const swap = (look: Evidence): Protection => {
  const states = look.hardening.swapEncryption
  const plain = states.filter(({ state }) => state === 'plain')
  const unknown = states.filter(({ state }) => state === 'unknown')
  const told = (state: State, says: string): Protection => ({ id: 'swap-encryption', title: 'Encryption of swap', state, says, source: '/proc/swaps, /sys/block' })
  const each = listed(states.map(({ path, state, how }) => `${path}: ${state} (${how})`))
  if (states.length === 0) return told('on', 'there is no swap: nothing leaves memory')
  if (plain.length > 0) return told('off', each)
  return told(unknown.length > 0 ? 'unknown' : 'on', each)
}

/** What protects memory here, whether or not a rule has something to say of it. */
export const protectionsOf = (look: Evidence): readonly Protection[] => {
  const { hardening } = look
  return [
    of('aslr', 'Random addresses (ASLR)', hardening.aslr, '/proc/sys/kernel/randomize_va_space', (value) => [value === 'full' ? 'on' : value === 'partial' ? 'partial' : 'off', value]),
    of('no-execute', 'Data cannot be run (NX)', hardening.noExecute, '/proc/cpuinfo flags', (value) => [value ? 'on' : 'off', value ? 'the processor has it' : 'off, or the processor lacks it']),
    of('guard-pages', 'Guard pages below stacks', hardening.guardGapPages, '/proc/cmdline stack_guard_gap', (pages) => [pages >= 256 ? 'on' : pages > 0 ? 'partial' : 'off', `${counted(pages)} pages, ${amount(pages * look.pageBytes)}; usual are 256 pages`]),
    of('low-addresses', 'Lowest addresses kept empty', hardening.mmapMinAddr, '/proc/sys/vm/mmap_min_addr', (bytes) => [bytes >= 4096 ? 'on' : bytes > 0 ? 'partial' : 'off', `the first ${amount(bytes)}`]),
    swap(look),
    ptrace(look),
    of('init-on-alloc', 'Memory is cleared before it is handed out', hardening.initOnAlloc, '/proc/cmdline and the kernel\'s config', (value) => [value ? 'on' : 'off', value ? 'also for the kernel itself' : 'only for programs, as always']),
  ]
}
