import { parseArgs } from 'node:util'
import { startChaos } from '../installed/chaos.ts'

/** 200 kills at random moments, some at a time while one thing is under way. A seed repeats the same rounds. */
const { values } = parseArgs({ options: { kills: { type: 'string', default: '200' }, 'at-a-time': { type: 'string', default: '4' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } } })
const kills = Number(values.kills)
const atATime = Number(values['at-a-time'])
console.log(`seed ${values.seed}`)
const chaos = await startChaos({ seed: Number(values.seed), log: (text) => console.log(text) })
let bad = 0
/** Rounds in which agents were suspended: nothing is proved by rounds in which nobody sleeps. */
let asleep = 0
/** Ctrl+C ends after the round under way, and gives everything back. */
const asked = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => asked.abort())
const killed = new Map<string, number>()
try {
  for (let number = 1; number <= Math.ceil(kills / atATime) && !asked.signal.aborted; number += 1) {
    const round = await chaos.round(number, atATime)
    for (const victim of round.victims) killed.set(victim, (killed.get(victim) ?? 0) + 1)
    if (round.suspendedBefore + round.suspendedAfter > 0) asleep += 1
    if (round.problems.length > 0) bad += 1
    for (const problem of round.problems) console.log(`   ${problem}`)
  }
  for (const problem of await chaos.finish()) {
    bad += 1
    console.log(`at the end: ${problem}`)
  }
} finally {
  await chaos.stop()
}
console.log([...killed].map(([victim, times]) => `${victim} ${times}`).join(', '))
console.log(`${[...killed.values()].reduce((sum, times) => sum + times, 0)} kills; agents were suspended in ${asleep} rounds; ${bad} with something left wrong`)
if (bad > 0) process.exitCode = 1
