/** In the guest, as root: installs, then each condition, each from a machine that is well. */
import { closeCallers } from '../../guest/inside/caller.ts'
import { read, run, runTests } from '../../guest/inside/harness.ts'
import { installTests } from '../../guest/inside/install.ts'
import { conditionTests } from './conditions.ts'

console.log(`# ${run('uname', '-r').trim()}`)
const needed = installTests.filter(({ name }) => !name.startsWith('polkit') && !name.startsWith('units are'))
await runTests([...needed, ...conditionTests(read('/mnt/guest/filter'))])
await closeCallers()
