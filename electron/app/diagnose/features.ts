import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { KernelFeature } from '../../contract/diagnosis.ts'
import { cgroupFeatures } from './features-cgroups.ts'
import { reclaimFeatures } from './features-reclaim.ts'
import { sharingFeatures } from './features-sharing.ts'
import { swapFeatures } from './features-swap.ts'
import { stateOf, type FeatureFacts } from './features-type.ts'

/** Every kernel feature the program speaks of; docs/diagnosis.md tells them with their sources. */
export const featureFacts: readonly FeatureFacts[] = [...reclaimFeatures, ...cgroupFeatures, ...swapFeatures, ...sharingFeatures]

/** What each feature is on the machine of this look: since which version, what it is here, what to do instead. */
export const kernelFeatures = (look: Evidence): KernelFeature[] =>
  featureFacts.map((facts) => {
    const { id, title, since, changes, option, instead, source } = facts
    return { id, title, since, changes: [...changes], option, ...stateOf(look, facts), instead, source }
  })
