import { ownCgroup } from '../actions/own-cgroup.ts'
import { pruneCache } from '../actions/prune-cache.ts'
import { reclaim, wonBytes } from '../actions/reclaim.ts'
import type { Failure, Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import type { Step } from '../contract/plan.ts'
import type { StepOutcome } from '../contract/runs.ts'
import { makeSwapFile } from '../layers/compressed-swap/swap-file.ts'
import { swapOffOurs, swapOn } from '../layers/compressed-swap/swap.ts'
import { firstKept, zramInit } from '../layers/compressed-swap/zram.ts'
import { setBacking } from '../layers/kernel-module/backing.ts'
import { loadModule, unloadModule } from '../layers/kernel-module/module.ts'
import { unmerge } from '../layers/ksm/unmerge.ts'
import { compactMemory, writeTunable } from '../layers/tunables/apply.ts'
import { integer, readText, under } from '../observe/files.ts'
import { sizeText } from '../plan/present.ts'
import { change, type StepContext } from './context.ts'

interface Done {
  readBack: string | null
  wonBytes: number | null
  /** Why the step did nothing though nothing went wrong. */
  skipped?: Failure
}

const done = (readBack: string | null, wonBytes: number | null = null): Done => ({ readBack, wonBytes })
const mapped = (result: Result<string>): Result<Done> => (result.ok ? ok(done(result.value)) : result)

const nodeOf = (context: StepContext, path: string): Result<string> => {
  if (path !== 'zram:new') return ok(path)
  return context.zramNode === null ? fail('internal', 'A step names the new zram device before it was made.') : ok(context.zramNode)
}

/** memory.reclaim of the agent's own cgroup: asks for all of it, and takes what there is. */
const reclaimCgroup = async (context: StepContext, folder: string): Promise<Result<Done>> => {
  const current = () => integer(readText(under(context.root, `${folder}/memory.current`)).value?.trim())
  const before = current()
  if (before === null) return fail('process-gone', 'The agent ended before it could be paged out.')
  const written = await context.kernel.write(`${folder}/memory.reclaim`, String(before))
  // EAGAIN: less than asked for could be taken, which is what is expected here.
  if (!written.ok && written.error.got !== 'EAGAIN') return written
  const won = before - (current() ?? before)
  return ok(done(`moved ${sizeText(Math.max(0, won))} of ${sizeText(before)} out`, won))
}

const performReclaim = async (context: StepContext, operation: Extract<Step['operation'], { op: 'reclaim' }>): Promise<Result<Done>> => {
  context.say(`Paging out ${operation.title}`)
  const folder = ownCgroup(context.root, context.uid, operation.processes)
  if (folder !== null) {
    const result = await reclaimCgroup(context, folder)
    // A kernel without memory.reclaim (before 5.19) leaves the other way.
    if (result.ok || result.error.code !== 'not-supported') return result
  }
  const result = await reclaim({ program: context.reclaimProgram, uid: context.uid, processes: operation.processes, advice: 'pageout', signal: context.signal })
  if (!result.ok) return result
  const { processes } = result.value
  const won = wonBytes(processes)
  const before = processes.reduce((sum, process) => sum + (process.rssBeforeBytes.value ?? 0), 0)
  const problem = processes.find((process) => process.error !== null)?.error ?? null
  if (problem !== null && processes.every((process) => process.error !== null)) {
    return ok({ ...done(null, 0), skipped: { code: 'process-gone', message: `${operation.title} could not be paged out: ${problem}` } })
  }
  return ok(done(`moved ${sizeText(Math.max(0, won))} of ${sizeText(before)} out${problem === null ? '' : `; a part was left out: ${problem}`}`, won))
}

const carryOut = async (context: StepContext, step: Step): Promise<Result<Done>> => {
  const { operation } = step
  switch (operation.op) {
    case 'write':
      return mapped(await (step.source === 'tunables' ? writeTunable : change)(context, operation.path, operation.value, step.undoClass))
    case 'write-first-kept': {
      const result = await firstKept(context, operation.path, operation.values)
      if (!result.ok) return result
      return ok(result.value.kept ? done(result.value.value) : { ...done(result.value.value), skipped: { code: 'read-back-differs', message: `The kernel kept ${result.value.value}; it took none of ${operation.values.join(', ')}.` } })
    }
    case 'zram-init':
      return mapped(await zramInit(context, operation.device, operation.algorithms, operation.sizeBytes))
    case 'make-swap': {
      const node = nodeOf(context, operation.path)
      if (!node.ok) return node
      const made = await context.tools.makeSwap(under(context.root, node.value))
      context.checkpoint('mkswap')
      return made.ok ? ok(done('swap signature')) : made
    }
    case 'make-swap-file':
      return mapped(await makeSwapFile(context, operation.path, operation.sizeBytes))
    case 'swap-on': {
      const node = nodeOf(context, operation.path)
      return node.ok ? mapped(await swapOn(context, node.value, operation.priority)) : node
    }
    case 'swap-off':
      return mapped(await swapOffOurs(context, operation.path))
    case 'ksm-unmerge':
      return mapped(await unmerge(context))
    case 'compact':
      return mapped(await compactMemory(context))
    case 'module-load':
      return mapped(await loadModule(context, operation.compressor))
    case 'module-unload':
      return mapped(await unloadModule(context))
    case 'module-backing':
      return mapped(await setBacking(context, operation.sizeBytes))
    case 'prune-cache': {
      const result = await pruneCache({ root: context.root, kernel: context.kernel, tools: context.tools, level: operation.level })
      if (!result.ok) return result
      const won = result.value.availableAfterBytes - result.value.availableBeforeBytes
      return ok(done(`${sizeText(Math.max(0, won))} more available`, won))
    }
    case 'reclaim':
    default:
      return performReclaim(context, operation)
  }
}

/** Does one step; what went wrong is in the outcome, never thrown. */
export const performStep = async (context: StepContext, step: Step): Promise<StepOutcome> => {
  const startedMs = performance.now()
  const result = await carryOut(context, step)
  const common = { number: step.number, target: step.target, tookMs: performance.now() - startedMs }
  if (!result.ok) return { ...common, outcome: 'failed', readBack: null, wonBytes: null, error: result.error }
  const { readBack, wonBytes, skipped } = result.value
  return { ...common, outcome: skipped === undefined ? 'done' : 'skipped', readBack, wonBytes, error: skipped ?? null }
}
