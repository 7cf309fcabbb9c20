import { parseArgs } from 'node:util'
import { captureMachine } from './capture.ts'

/**
 * Debug snapshot: writes a scrubbed copy of what the readers see, to be looked
 * through and then attached to a report or put into helper/test/machines/.
 */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    out: { type: 'string' },
    pids: { type: 'string', default: '' },
  },
})

if (values.out === undefined) {
  console.error('usage: capture-cli.ts --out FOLDER [--pids 123,456] [--root /]\nexpected --out, a folder to write to; of processes only those in --pids and their children are kept')
  process.exit(2)
}
captureMachine(values.root, values.out, values.pids.split(',').map(Number).filter((pid) => Number.isSafeInteger(pid) && pid > 0))
console.log(`Written to ${values.out}. Look through it before you share it: command lines are cut to program, script and option names.`)
