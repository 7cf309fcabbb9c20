/**
 * A vitest reporter that writes build/results/NAME.json: counts, and every skip
 * with its reason. A skip without a reason is counted as a failure, because a
 * silent skip is a test that nobody runs. Of a failure it keeps the first lines of
 * its message too: where only the end of an output is kept, they are all there is.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sumOf } from './second-look.ts'
import { projectDir } from './toolchain.mjs'

/** Lines and characters of a failure's message that are kept. */
const MESSAGE_LINES = 12
const MESSAGE_CHARACTERS = 1000

/** @param {readonly { readonly message: string }[] | undefined} errors */
const firstLines = (errors) => (errors ?? []).flatMap(({ message }) => message.slice(0, MESSAGE_CHARACTERS).split('\n').slice(0, MESSAGE_LINES)).map((line) => `\n      ${line}`).join('')

/**
 * @param {import('vitest/node').TestModule} module
 * @returns {import('./second-look.ts').FileResult}
 */
const resultOf = (module) => {
  const path = module.relativeModuleId
  const broken = module.errors()
  /** @type {import('./second-look.ts').FileResult} */
  const file = { path, passed: 0, skips: [], failures: broken.map((error) => `${path}: ${error.message}`) }
  for (const test of module.children.allTests()) {
    const result = test.result()
    const title = `${path}: ${test.fullName}`
    if (result.state === 'passed') file.passed += 1
    else if (result.state === 'failed') file.failures.push(`${title}${firstLines(result.errors)}`)
    else if (result.state === 'skipped') {
      // `ctx.skip('why')`, or for a whole suite "(needs root)" at the end of its title.
      const reason = result.note ?? /\((?<why>needs [^)]+)\)/u.exec(test.fullName)?.groups?.['why']
      if (reason === undefined) file.failures.push(`${title} (skipped without a reason)`)
      else file.skips.push({ name: title, reason })
    } else {
      // Never ended: a crashed worker. Not a pass.
      file.failures.push(`${title} (did not finish)`)
    }
  }
  // Neither hooks of a suite nor a file without tests may pass for something that was tried.
  if (!module.ok() && file.failures.length === 0) file.failures.push(`${path}: failed outside of its tests`)
  return file
}

export default class ResultsReporter {
  /** @param {readonly import('vitest/node').TestModule[]} modules @param {readonly unknown[]} unhandledErrors */
  onTestRunEnd(modules, unhandledErrors) {
    const name = process.env['AGENTMEM_SUITE'] ?? 'unit'
    const files = modules.map(resultOf)
    if (unhandledErrors.length > 0) files.push({ path: '(outside of any file)', passed: 0, skips: [], failures: unhandledErrors.map(String) })
    const folder = join(projectDir, 'build', 'results')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ suite: name, ...sumOf(files), files }, null, 2)}\n`)
  }
}
