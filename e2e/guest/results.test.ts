import { describe, expect, it } from 'vitest'
import { kernelTrouble, readResult } from './results.ts'

describe('what a guest printed', () => {
  it('counts what passed, failed and was skipped', () => {
    const result = readResult('# 6.12\nok - a\r\nnot ok - b # got 1 / expected 2\nok - c # SKIP needs zswap\n1..3\n', '')
    expect(result).toMatchObject({ passed: 1, failed: 1, skipped: 1, skips: [{ name: 'c', reason: 'needs zswap' }], failures: ['b: got 1 / expected 2'] })
  })

  it('fails a guest that stopped on the way, and one that ran nothing', () => {
    expect(readResult('ok - a\n', '').failures).toEqual(['the guest did not come to the end of its tests'])
    expect(readResult('ok - a\n1..2\n', '').failed).toBe(1)
    expect(readResult('1..0\n', '').failed).toBe(1)
    expect(readResult('', '').failed).toBe(1)
  })

  it('fails a skip without a reason', () => {
    expect(readResult('ok - a # SKIP \n1..1\n', '').failures).toEqual(['a (skipped without a reason)'])
  })

  it('fails for what the kernel complains about, though all passed', () => {
    const text = '[    1.0] WARNING: CPU: 0 PID: 1 at mm/memcontrol.c:1 x\n[    2.0] clocksource: WARNING: Marking unstable\n[    3.0] all well'
    expect(kernelTrouble(text)).toHaveLength(1)
    expect(readResult('ok - a\n1..1\n', text)).toMatchObject({ passed: 1, failed: 1 })
  })
})
