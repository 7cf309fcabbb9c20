/** `node tools/run.mjs TOOL ARGS...`: a tool of node_modules under the pinned Node. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectDir, runPinned, runTool, setUp, SetUpProblem } from './toolchain.mjs'

await runTool(() => {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined) throw new SetUpProblem('Which tool? For example: node tools/run.mjs tsc -b')
  setUp()
  const bins = /** @type {Record<string, [string, string]>} */ ({ tsc: ['typescript', 'tsc'], oxlint: ['oxlint', 'oxlint'], vitest: ['vitest', 'vitest'], vite: ['vite', 'vite'] })
  const entry = bins[name]
  if (entry === undefined) throw new SetUpProblem(`Unknown tool ${name}. Known: ${Object.keys(bins).join(', ')}.`)
  const folder = join(projectDir, 'node_modules', entry[0])
  const bin = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).bin
  const config = name === 'vitest' ? ['--config', 'tools/vitest.config.ts'] : []
  return runPinned([join(folder, typeof bin === 'string' ? bin : bin[entry[1]]), ...args, ...config])
})
