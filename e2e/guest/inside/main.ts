/** In the guest, as root: all tests, in an order in which the later ones need the earlier. */
import { read, run, runTests, tryRun, type Test } from './harness.ts'
import { installTests, uninstallTests } from './install.ts'

const filter = read('/mnt/guest/filter')
const chosen: readonly Test[] = [...installTests, ...uninstallTests]
console.log(`# ${run('uname', '-r').trim()}, ${run('systemctl', '--version').split('\n')[0]}`)
await runTests(chosen.filter((test) => filter === '' || installTests.includes(test) || test.name.includes(filter)))
console.log(tryRun('journalctl', ['-b', '--no-pager', '-o', 'short-monotonic', '-u', 'agentmem-*', '-p', 'warning', '-n', '60']).out.split('\n').map((line) => `# ${line}`).join('\n'))
