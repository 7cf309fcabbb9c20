import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startChaos, type Chaos } from './chaos.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { worldProblem } from './world.ts'

const reason = whyNot([...fleetPrograms, 'flock', 'dbus-daemon', 'dbus-send', 'gcc']) ?? worldProblem()
const ROUNDS = 5

/** A short one; `npm run long -- chaos` kills 200 times, with a seed of its own. */
describe.skipIf(reason !== null)(`kills at random moments${reason === null ? '' : ` (${reason})`}`, () => {
  let chaos: Chaos
  beforeAll(async () => {
    chaos = await startChaos({ seed: 20, log: (text) => console.log(text) })
  }, 300_000)
  afterAll(async () => {
    await chaos?.stop()
  }, 120_000)

  test('nothing stays frozen, no setting stays changed, no agent dies that was not killed', { timeout: 600_000 }, async () => {
    for (let number = 1; number <= ROUNDS; number += 1) expect((await chaos.round(number, 2)).problems, `round ${number}`).toEqual([])
    expect(await chaos.finish()).toEqual([])
  })
})
