/** `npm run e2e:NAME`: one end-to-end suite by itself, with all it prints. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildAll } from '../build.mjs'
import { ensurePackages, testNeeds } from '../packages.mjs'
import { runSuites, suites } from '../suites.mjs'
import { projectDir, runTool, setUp, SetUpProblem } from '../toolchain.mjs'

await runTool(() => {
  const name = process.argv[2]
  const suite = suites.find((candidate) => candidate.name === name)
  if (suite === undefined) throw new SetUpProblem(`Which suite? Expected one of: ${suites.map((s) => s.name).join(', ')}; got ${name ?? 'nothing'}.`)
  ensurePackages(testNeeds)
  const context = setUp()
  buildAll(context)
  // What a suite measured, for the end of the output: the test runner's own summary stands in between.
  const closing = join(projectDir, 'build', suite.name, 'last-lines.txt')
  rmSync(closing, { force: true })
  const [result] = runSuites([suite], context)
  for (const skip of result?.skips ?? []) process.stdout.write(`skipped: ${skip.name}: ${skip.reason}\n`)
  if (existsSync(closing)) process.stdout.write(readFileSync(closing, 'utf8'))
  process.stdout.write(`${result?.passed ?? 0} passed, ${result?.failed ?? 0} failed, ${result?.skipped ?? 0} skipped\n`)
  return result === undefined || result.failed > 0 ? 1 : 0
})
