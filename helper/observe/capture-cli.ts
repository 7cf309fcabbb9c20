import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { captureMachine } from './capture.ts'
import { readEvidence } from './evidence/read.ts'
import { lookText, scrubEvidence } from './evidence/scrub.ts'

/**
 * Debug snapshot: writes a scrubbed copy of what the readers see, to be looked
 * through and then attached to a report or put into helper/test/machines/;
 * with --looks also a series of looks, as the rules of diagnosis get them.
 */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    out: { type: 'string' },
    pids: { type: 'string', default: '' },
    looks: { type: 'string', default: '0' },
    every: { type: 'string', default: '10' },
    only: { type: 'string', default: 'all' },
  },
})

const looks = Number(values.looks)
const everyS = Number(values.every)
if (values.out === undefined || !Number.isInteger(looks) || looks < 0 || looks > 100 || !(everyS > 0 && everyS <= 3600) || !['all', 'looks'].includes(values.only)) {
  console.error('usage: capture-cli.ts --out FOLDER [--pids 123,456] [--looks COUNT] [--every SECONDS] [--only looks] [--root /]\nexpected --out, a folder to write to, at most 100 looks, 3,600 s apart at most; of processes only those in --pids and their children are kept, of a look the 30 largest')
  process.exit(2)
}
if (values.only === 'all') captureMachine(values.root, values.out, values.pids.split(',').map(Number).filter((pid) => Number.isSafeInteger(pid) && pid > 0))
for (let i = 0; i < looks; i += 1) {
  if (i > 0) await sleep(everyS * 1000)
  const look = scrubEvidence(await readEvidence(values.root, { uid: null, privileged: process.getuid?.() === 0 }))
  mkdirSync(join(values.out, 'looks'), { recursive: true })
  writeFileSync(join(values.out, 'looks', `${i}.json`), lookText(look))
}
console.log(`Written to ${values.out}. Look through it before you share it: command lines are cut to program, script and option names.`)
