/** What is done with the module on which kernel, and the programs for it. */
import { join } from 'node:path'
import { buildModule } from './build.mjs'
import { buildClient, buildSelftest, buildTorture } from './guest.mjs'
import { lastLines } from './root.mjs'

/** @typedef {import('./kernels.mjs').Kernel} Kernel */
/** @typedef {{ selftest: string, torture: string, client: string }} Programs */
/** @typedef {{ steps: string, files: Record<string, string>, limitMs: number }} Plan */

const MINUTES = 60_000
/** The debug kernels are slow. */
const LIMIT_MS = 10 * MINUTES
const DEBUG_LIMIT_MS = 60 * MINUTES

/** @param {string} folder @returns {{ programs: Programs, problems: string[] }} */
export const buildPrograms = (folder) => {
  const programs = { selftest: join(folder, 'selftest'), torture: join(folder, 'torture'), client: join(folder, 'abi-client') }
  const problems = [buildSelftest(programs.selftest), buildTorture(programs.torture), buildClient(programs.client)].filter((problem) => problem !== null)
  return { programs, problems: problems.map((problem) => lastLines(problem, 20)) }
}

/**
 * Each call's allocations made to fail (every `step`-th of them), races and
 * random calls for some seconds; the core under KUnit; what is there everywhere.
 * @param {Kernel} kernel @param {Programs} programs @param {boolean} quick
 * @returns {{ plan: Plan, problem: string | null }}
 */
export const planOf = (kernel, { torture, client }, quick) => {
  const files = { 'abi-client': client, torture }
  if (kernel.debug !== true) return { plan: { steps: 'selftest', files, limitMs: LIMIT_MS }, problem: null }
  if (kernel.series === 'kcsan') return { plan: { steps: `selftest\n/torture race ${quick ? 20 : 60} 1`, files, limitMs: DEBUG_LIMIT_MS }, problem: null }
  const built = buildModule(kernel, { kunit: true })
  const steps = ['kunit', 'selftest', `/torture inject ${quick ? 5 : 1}`, '/torture race 20 1', '/torture fuzz 20 1'].join('\n')
  if (!built.ok) return { plan: { steps, files, limitMs: DEBUG_LIMIT_MS }, problem: `the KUnit tests do not build: ${built.text}` }
  return { plan: { steps, files: { ...files, 'agentmem-kunit.ko': built.module }, limitMs: DEBUG_LIMIT_MS }, problem: null }
}
