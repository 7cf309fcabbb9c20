import type { Agent } from '../../../helper/contract/agents.ts'
import type { Machine } from '../../../helper/contract/snapshot.ts'
import type { AgentSample, MachineSample } from '../history/types.ts'

/** Pools of zswap and zram together; null where this kernel does not tell. */
export const poolBytesOf = (machine: Machine): number | null => {
  const zswap = machine.zswap.value === null ? null : machine.zswap.value.poolBytes.value
  const swaps = new Set(machine.swapDevices.map((device) => device.path))
  const zram = machine.zram.filter((device) => swaps.has(`/dev/${device.name}`)).reduce((sum, device) => sum + device.poolBytes, 0)
  return zswap === null && machine.zram.length === 0 ? null : (zswap ?? 0) + zram
}

/** `agentsCostBytes` is the newest sum measured, null when that is too old to stand for this second. */
export const machineSample = (machine: Machine, agentsCostBytes: number | null): MachineSample => ({
  availableBytes: machine.memory.availableBytes,
  agentsCostBytes,
  compressedBytes: poolBytesOf(machine),
  freeBytes: machine.memory.freeBytes,
  pressurePercent: machine.memoryPressure.value === null ? null : machine.memoryPressure.value.some.avg10Percent,
  cacheBytes: machine.memory.cachedBytes + machine.memory.buffersBytes,
  swapUsedBytes: machine.memory.swapTotalBytes - machine.memory.swapFreeBytes,
})

/** Only agents of which something was measured. */
export const agentSamples = (agents: readonly Agent[]): AgentSample[] =>
  agents
    .filter((agent) => agent.state !== 'gone' && agent.cost.unmeasured < agent.processes.length)
    .map(({ id, kind, title, name, cost }) => ({ id, kind, title, name, costBytes: cost.costBytes }))

export interface Arrivals {
  appeared: Agent[]
  gone: Agent[]
}

/** Who came and who went between two looks; nobody "appeared" at the very first. */
export const arrivals = (before: readonly Agent[] | null, after: readonly Agent[]): Arrivals => {
  const live = after.filter((agent) => agent.state !== 'gone')
  if (before === null) return { appeared: [], gone: [] }
  const old = new Set(before.map((agent) => agent.id))
  const now = new Set(live.map((agent) => agent.id))
  return { appeared: live.filter((agent) => !old.has(agent.id)), gone: before.filter((agent) => !now.has(agent.id)) }
}
