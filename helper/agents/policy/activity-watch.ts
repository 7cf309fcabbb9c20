import type { AgentId } from '../../contract/agents.ts'
import type { Activity } from '../../contract/lifecycle.ts'
import { createActivityJudge, type ActivityJudge, type LookedAt } from '../activity/decide.ts'
import type { Sample } from '../activity/sample.ts'
import type { Sampler } from '../activity/sampler.ts'
import type { AgentTree } from '../discover.ts'

export interface ActivityWatch {
  /** Judges these trees. Agents that are not among them are forgotten: a suspended one is watched anew once it runs. */
  readonly look: (trees: ReadonlyMap<AgentId, AgentTree>, known: (id: AgentId) => LookedAt) => Promise<Map<AgentId, Activity>>
}

/** One judge an agent, fed with samples of the trees that were just discovered. */
export const createActivityWatch = (sampler: Pick<Sampler, 'sampleTrees'>, onSamples: (samples: readonly Sample[]) => void = () => undefined): ActivityWatch => {
  const judges = new Map<AgentId, ActivityJudge>()
  return {
    look: async (trees, known) => {
      for (const id of judges.keys()) if (!trees.has(id)) judges.delete(id)
      if (trees.size === 0) return new Map()
      const samples = await sampler.sampleTrees([...trees.values()])
      onSamples(samples)
      return new Map(samples.map((sample): [AgentId, Activity] => {
        const { id } = sample
        const judge = judges.get(id) ?? createActivityJudge({ idleCpuPercent: trees.get(id)?.signature.idleCpuPercent })
        judges.set(id, judge)
        return [id, judge.look(sample, known(id))]
      }))
    },
  }
}
