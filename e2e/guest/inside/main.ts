/** In the guest, as root: all tests, in an order in which the later ones need the earlier. */
import { closeCallers } from './caller.ts'
import { read, run, runTests, tryRun, type Test } from './harness.ts'
import { installTests, uninstallTests, writtenDown } from './install.ts'
import { endTests } from './ends.ts'
import { limitTests } from './limits.ts'
import { moduleGoneTests, moduleTests } from './module.ts'
import { ownTests } from './own.ts'
import { pressureTests } from './pressure.ts'
import { suspendTests } from './suspend.ts'
import { swapTests } from './swap.ts'
import { traceTests } from './trace.ts'
import { unitTests } from './units.ts'

const filter = read('/mnt/guest/filter')
/** Guests with a compiler are for the kernel module alone. */
const forModule = read('/mnt/guest/flavour') !== 'plain'
const chosen: readonly Test[] = forModule ? [...installTests.filter((test) => test !== writtenDown), ...moduleTests, ...moduleGoneTests] : [...installTests, ...swapTests, ...limitTests, ...suspendTests, ...pressureTests, ...traceTests, ...ownTests, ...unitTests, ...endTests, ...uninstallTests]
console.log(`# ${run('uname', '-r').trim()}, ${run('systemctl', '--version').split('\n')[0]}`)
await runTests(chosen.filter((test) => filter === '' || installTests.includes(test) || swapTests.includes(test) || uninstallTests.includes(test) || moduleGoneTests.includes(test) || filter.split(',').some((word) => test.name.includes(word))))
await closeCallers()
console.log(tryRun('journalctl', ['-b', '--no-pager', '-o', 'short-monotonic', '-u', 'agentmem-helper', '-u', 'agentmem-guard', '-u', 'agentmem-recover', '-n', '120']).out.split('\n').map((line) => `# ${line}`).join('\n'))
