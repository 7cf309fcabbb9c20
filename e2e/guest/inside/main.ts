/** In the guest, as root: all tests, in an order in which the later ones need the earlier. */
import { read, run, runTests, tryRun, type Test } from './harness.ts'
import { installTests, uninstallTests } from './install.ts'
import { limitTests } from './limits.ts'
import { ownTests } from './own.ts'
import { suspendTests } from './suspend.ts'
import { swapTests } from './swap.ts'

const filter = read('/mnt/guest/filter')
const chosen: readonly Test[] = [...installTests, ...swapTests, ...limitTests, ...suspendTests, ...ownTests, ...uninstallTests]
console.log(`# ${run('uname', '-r').trim()}, ${run('systemctl', '--version').split('\n')[0]}`)
await runTests(chosen.filter((test) => filter === '' || installTests.includes(test) || swapTests.includes(test) || filter.split(',').some((word) => test.name.includes(word))))
console.log(tryRun('journalctl', ['-b', '--no-pager', '-o', 'short-monotonic', '-u', 'agentmem-*', '-n', '120']).out.split('\n').map((line) => `# ${line}`).join('\n'))
