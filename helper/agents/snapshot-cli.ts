import { parseArgs } from 'node:util'
import { createAgentTracker } from './tracker.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from './signatures.ts'

/**
 * Prints a snapshot as JSON, with what taking it cost; for benches and for
 * looking into a problem. `--looks N` takes N of them, a second apart, in one
 * process and prints one line each, so that the cost of a warm one shows.
 */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    uid: { type: 'string' },
    signatures: { type: 'string', default: BUILT_IN_SIGNATURES_PATH },
    own: { type: 'string' },
    looks: { type: 'string', default: '1' },
    'interval-ms': { type: 'string', default: '1000' },
    'command-lines': { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
  },
})

const signatures = loadSignatures(values.signatures, values.own)
if (!signatures.ok) {
  console.error(signatures.error.message)
  process.exit(2)
}
const uid = values.uid === undefined ? null : Number(values.uid)
const tracker = createAgentTracker({ root: values.root, signatures: signatures.value, uid })
const privileged = process.getuid?.() === 0
for (let i = 0; i < Number(values.looks); i += 1) {
  if (i > 0) await new Promise((resolve) => { setTimeout(resolve, Number(values['interval-ms'])) })
  const { agents, ...rest } = await tracker.snapshot({ commandLines: values['command-lines'], privileged })
  console.log(JSON.stringify(values.brief
    ? { tookMs: rest.tookMs, cpuMs: rest.cpuMs, counts: rest.counts, agents: agents.length, agentsCostBytes: agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0) }
    : { ...rest, agents }))
}
