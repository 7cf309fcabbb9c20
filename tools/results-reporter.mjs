/**
 * A vitest reporter that writes build/results/NAME.json: counts, and every skip
 * with its reason. A skip without a reason is counted as a failure, because a
 * silent skip is a test that nobody runs.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectDir } from './toolchain.mjs'

export default class ResultsReporter {
  /** @param {readonly import('vitest/node').TestModule[]} modules @param {readonly unknown[]} unhandledErrors */
  onTestRunEnd(modules, unhandledErrors) {
    const name = process.env['AGENTMEM_SUITE'] ?? 'unit'
    let passed = 0
    let failed = unhandledErrors.length
    /** @type {{ name: string, reason: string }[]} */
    const skips = []
    /** @type {string[]} */
    const failures = unhandledErrors.map(String)
    for (const module of modules) {
      const broken = module.errors()
      failed += broken.length
      failures.push(...broken.map((error) => `${module.relativeModuleId}: ${error.message}`))
      for (const test of module.children.allTests()) {
        const result = test.result()
        const title = `${module.relativeModuleId}: ${test.fullName}`
        if (result.state === 'passed') passed += 1
        else if (result.state === 'failed') {
          failed += 1
          failures.push(title)
        } else if (result.state === 'skipped') {
          // `ctx.skip('why')`, or for a whole suite "(needs root)" at the end of its title.
          const reason = result.note ?? /\((?<why>needs [^)]+)\)/u.exec(test.fullName)?.groups?.['why']
          if (reason === undefined) {
            failed += 1
            failures.push(`${title} (skipped without a reason)`)
          } else skips.push({ name: title, reason })
        } else {
          // Never ended: a crashed worker. Not a pass.
          failed += 1
          failures.push(`${title} (did not finish)`)
        }
      }
    }
    const folder = join(projectDir, 'build', 'results')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ suite: name, passed, failed, skipped: skips.length, skips, failures }, null, 2)}\n`)
  }
}
