import { expect, test } from 'vitest'
import { known, missing } from '../../../helper/contract/known.ts'
import { protectionSchema } from '../../contract/diagnosis.ts'
import { protectionsOf } from './protections.ts'
import { healthyLooks } from './testing/healthy.ts'

const states = (change: (look: ReturnType<typeof healthyLooks>[0]) => void): Record<string, string> => {
  const [look] = healthyLooks()
  change(look)
  return Object.fromEntries(protectionsOf(look).map((one) => [protectionSchema.parse(one).id, one.state]))
}

test('each is told whether it is there, also where no rule has anything to say', () => {
  expect(states(() => {})).toMatchObject({ aslr: 'on', 'no-execute': 'on', 'guard-pages': 'on', 'low-addresses': 'on' })
  expect(states(({ hardening }) => {
    hardening.aslr = known('partial')
    hardening.noExecute = known(false)
    hardening.guardGapPages = known(16)
    hardening.mmapMinAddr = known(0)
    hardening.ptraceScope = known(0)
  })).toMatchObject({ aslr: 'partial', 'no-execute': 'off', 'guard-pages': 'partial', 'low-addresses': 'off', ptrace: 'off' })
  expect(states(({ hardening }) => { hardening.aslr = missing('not-permitted') })).toMatchObject({ aslr: 'unknown' })
  expect(states(({ hardening }) => { hardening.ptraceScope = missing('not-permitted') })).toMatchObject({ ptrace: 'unknown' })
})

test('a kernel without Yama lets every program of the same user read, which is known', () => {
  const [look] = healthyLooks()
  look.hardening.ptraceScope = missing('not-supported', '/proc/sys/kernel/yama/ptrace_scope: ENOENT')
  expect(protectionsOf(look).find(({ id }) => id === 'ptrace')).toMatchObject({ state: 'off', says: 'every program of the same user: this kernel has no Yama, which could narrow it' })
})

test('swap is encrypted when all of it is', () => {
  const swap = (...found: ('memory' | 'encrypted' | 'plain' | 'unknown')[]): string | undefined =>
    states(({ hardening }) => { hardening.swapEncryption = found.map((state, i) => ({ path: `/dev/sda${i}`, state, how: 'as the test says' })) })['swap-encryption']
  expect([swap(), swap('memory', 'encrypted'), swap('memory', 'plain'), swap('unknown', 'encrypted')]).toEqual(['on', 'on', 'off', 'unknown'])
})
