import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readEvidence } from '../observe/evidence/read.ts'
import { lookText, scrubEvidence } from '../observe/evidence/scrub.ts'
import { createLeftovers } from './leftovers/leftovers.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from './signatures.ts'
import { createAgentTracker } from './tracker.ts'

/**
 * A series of looks with one user's agents in them, scrubbed, as the rules of
 * diagnosis get them; `helper/observe/capture-cli.ts` leaves agents out. Of
 * processes the user's own alone are kept. As root it sees what a helper adds.
 */
const { values } = parseArgs({ options: { out: { type: 'string' }, uid: { type: 'string' }, looks: { type: 'string', default: '4' }, every: { type: 'string', default: '30' } } })

const [uid, looks, everyS] = [Number(values.uid), Number(values.looks), Number(values.every)]
if (values.out === undefined || values.uid === undefined || !Number.isInteger(uid) || uid < 0 || !Number.isInteger(looks) || looks < 1 || looks > 100 || !(everyS > 0 && everyS <= 3600)) {
  console.error('usage: capture-looks-cli.ts --out FOLDER --uid UID [--looks COUNT] [--every SECONDS]\nexpected --out, a folder to write to, --uid, whose agents and processes to look at, 1 to 100 looks, 3,600 s apart at most')
  process.exit(2)
}
const signatures = loadSignatures(BUILT_IN_SIGNATURES_PATH)
if (!signatures.ok) {
  console.error(signatures.error.message)
  process.exit(2)
}
const privileged = process.getuid?.() === 0
const tracker = createAgentTracker({ root: '/', signatures: signatures.value, uid })
const leftovers = createLeftovers({ root: '/', signatures: signatures.value, uid })
// How long an agent rests is known from the second look at it on.
tracker.look()
await sleep(Math.min(everyS, 10) * 1000)
for (let i = 0; i < looks; i += 1) {
  if (i > 0) await sleep(everyS * 1000)
  const { agents } = await tracker.snapshot({ commandLines: false, privileged })
  const look = await readEvidence('/', { uid, privileged, agents, ...(await leftovers.look()) })
  mkdirSync(join(values.out, 'looks'), { recursive: true })
  writeFileSync(join(values.out, 'looks', `${i}.json`), lookText(scrubEvidence(look, { keepAgents: true })))
  console.log(`look ${i}: ${agents.map(({ title, state }) => `${title} ${state}`).join(', ')}`)
}
console.log(`Written to ${values.out}. Look through it before you share it.`)
