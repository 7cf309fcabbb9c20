import { afterAll, afterEach, beforeAll } from 'vitest'
import { startCaller, startPolkitd, startPrivateSystemBus, startSystemHelper, worldProblem, type BusCaller, type HelperOptions, type PrivateBus, type Running } from './world.ts'

/** Users every Debian has: one whom the rules allow everything, one whom they deny everything, two left to the shipped policy. */
export const ALLOWED = 5 // games
export const DENIED = 65_534 // nobody
export const ORDINARY = 1 // daemon
export const OTHER = 9 // news

const rules = `
polkit.addRule(function (action, subject) {
  if (action.id.indexOf('org.agentmem.') !== 0) return polkit.Result.NOT_HANDLED
  if (subject.user === 'games') return polkit.Result.YES
  if (subject.user === 'nobody') return polkit.Result.NO
  return polkit.Result.NOT_HANDLED
})
`

/** Why no such tests can be made here; null where they can. */
export const problem = worldProblem()

/** With the reason at its end where the tests below it are skipped. */
export const title = (text: string): string => (problem === null ? text : `${text} (${problem})`)

/** What Apply is asked with: settings and digest of a plan that was shown are the test's to give. */
export const applyRequest = { presetId: 'x', presetTitle: 'X', settings: {}, digest: '0'.repeat(64), cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 5000 }

export interface BusPlace {
  readonly bus: () => PrivateBus
  /** The helper of this test, ended after it. */
  readonly start: (options?: Partial<HelperOptions>) => Promise<Running>
  /** A caller that runs as this user, ended after the test. */
  readonly as: (uid: number) => Promise<BusCaller>
}

/** One bus with a real polkitd for the tests of the block that calls this, a helper and callers for each. */
export const useBus = (): BusPlace => {
  let bus: PrivateBus | null = null
  let polkitd: Running | null = null
  let helper: Running | null = null
  const callers: BusCaller[] = []
  const current = (): PrivateBus => {
    if (bus === null) throw new Error('there is a bus only while tests run')
    return bus
  }
  beforeAll(async () => {
    bus = await startPrivateSystemBus()
    polkitd = await startPolkitd(bus, rules)
  })
  afterEach(async () => {
    for (const caller of callers.splice(0)) await caller.stop()
    await helper?.stop()
    helper = null
  })
  afterAll(async () => {
    await polkitd?.stop()
    await bus?.stop()
  })
  return {
    bus: current,
    start: async (options = {}) => {
      helper = await startSystemHelper({ bus: current(), ...options })
      return helper
    },
    as: async (uid) => {
      const caller = await startCaller(current(), uid)
      callers.push(caller)
      return caller
    },
  }
}
