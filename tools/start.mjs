/** `npm start [-- --no-open]`: runs on any Node from 18 on; the work is done under the pinned one. */
import { join } from 'node:path'
import { ensurePackages, startNeeds } from './packages.mjs'
import { projectDir, runPinned, runTool } from './toolchain.mjs'

await runTool(() => {
  ensurePackages(startNeeds)
  return runPinned([join(projectDir, 'tools', 'main', 'start.mjs'), ...process.argv.slice(2)])
})
