/** `npm test`: runs on any Node from 18 on; the work is done under the pinned one. */
import { join } from 'node:path'
import { projectDir, runPinned, runTool } from './toolchain.mjs'

await runTool(() => runPinned([join(projectDir, 'tools', 'main', 'test.mjs'), ...process.argv.slice(2)]))
