import type { Plan } from '../contract/plan.ts'
import type { PresetSettings } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { AgentTarget } from '../contract/requests.ts'
import { activeCompressed, planCompressedSwap } from './compressed-swap.ts'
import { planDigest } from './digest.ts'
import { emptyDraft, type Draft } from './draft.ts'
import { planKernelModule } from './kernel-module.ts'
import { planKsm } from './ksm.ts'
import { planPruneCache } from './prune-cache.ts'
import { planReclaim } from './reclaim.ts'
import { planTunables } from './tunables.ts'

export interface PlanInput {
  settings: PresetSettings
  probe: Probe
  /** Agents to be treated; those kept as a control are not among them. */
  agents: readonly AgentTarget[]
  /** Swap that earlier runs of ours added and that may be removed: "/dev/zram0", "/var/lib/agentmem/swap/...". */
  ourSwap: readonly string[]
}

/**
 * What a preset would do on this machine, and what not, with the reasons.
 * Pure: the same input gives the same plan, for the app and for root.
 * Order: swap first, so that reclaim has somewhere to go; then merging; then
 * the kernel module; then tunables; then the cache, then agents. Undo goes the other way round.
 */
export const makePlan = ({ settings, probe, agents, ourSwap }: PlanInput): Plan => {
  const swap = settings.compressedSwap === undefined ? emptyDraft() : planCompressedSwap(settings.compressedSwap, probe, ourSwap)
  const swapComes = swap.steps.some((step) => step.operation.op === 'swap-on' || (step.operation.op === 'write' && step.operation.path.endsWith('/zswap/parameters/enabled') && step.operation.value === 'Y'))
  const swapGoes = settings.compressedSwap?.mode === 'off'
  const drafts: Draft[] = [
    swap,
    settings.ksm === undefined ? emptyDraft() : planKsm(settings.ksm, probe),
    settings.kernelModule === undefined ? emptyDraft() : planKernelModule(settings.kernelModule, probe),
    settings.tunables === undefined ? emptyDraft() : planTunables(settings.tunables, probe),
    settings.pruneCache === undefined ? emptyDraft() : planPruneCache(settings.pruneCache),
    settings.reclaim === undefined
      ? emptyDraft()
      : planReclaim({
          settings: settings.reclaim,
          probe,
          agents,
          swapAsked: settings.compressedSwap !== undefined,
          compressedSwap: swapComes || (!swapGoes && activeCompressed(probe).leads),
        }),
  ]
  const steps = drafts.flatMap((draft) => draft.steps)
  return {
    version: 1,
    digest: planDigest(steps),
    kernelRelease: probe.kernelRelease,
    steps: steps.map((step, index) => ({ number: index + 1, ...step })),
    skipped: drafts.flatMap((draft) => draft.skipped),
    notes: drafts.flatMap((draft) => draft.notes),
  }
}
