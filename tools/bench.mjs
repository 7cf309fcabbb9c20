/** `npm run bench -- NAME [ARGS...]`: prints a table, then one JSON line; exits 1 when a row falls short. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectDir, runPinned, runTool, SetUpProblem } from './toolchain.mjs'

await runTool(() => {
  const [name, ...args] = process.argv.slice(2)
  const folder = join(projectDir, 'e2e', 'bench')
  const known = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).map((file) => file.slice(0, -3)) : []
  if (name === undefined || !known.includes(name)) throw new SetUpProblem(`Which bench? Expected one of: ${known.join(', ')}; got ${name ?? 'nothing'}.`)
  return runPinned([join(folder, `${name}.ts`), ...args])
})
