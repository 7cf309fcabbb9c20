import { parseArgs } from 'node:util'
import { startChaos } from '../installed/chaos.ts'

/** 200 kills at random moments. A seed repeats the same rounds. */
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } } })
const rounds = Number(values.rounds)
console.log(`seed ${values.seed}`)
const chaos = await startChaos({ seed: Number(values.seed), log: (text) => console.log(text) })
let bad = 0
const killed = new Map<string, number>()
try {
  for (let number = 1; number <= rounds; number += 1) {
    const round = await chaos.round(number)
    killed.set(round.victim, (killed.get(round.victim) ?? 0) + 1)
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
console.log(`${rounds} kills, ${bad} with something left wrong`)
if (bad > 0) process.exitCode = 1
