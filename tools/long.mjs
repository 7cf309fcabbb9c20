/** `npm run long -- NAME [ARGS...]`: what takes an hour or more and is no part of `npm test`. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectDir, runPinned, runTool, SetUpProblem } from './toolchain.mjs'

await runTool(() => {
  const [name, ...args] = process.argv.slice(2)
  const folder = join(projectDir, 'e2e', 'long')
  const known = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.ts')).map((file) => file.slice(0, -3)) : []
  if (name === undefined || !known.includes(name)) throw new SetUpProblem(`Which one? Expected one of: ${known.join(', ')}; got ${name ?? 'nothing'}.`)
  return runPinned([join(folder, `${name}.ts`), ...args])
})
