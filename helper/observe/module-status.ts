import type { ModuleBacking } from '../contract/kernel-module.ts'
import type { LayerStatus } from '../contract/layers.ts'
import type { Probe } from '../contract/probe.ts'
import { known, missing } from '../contract/known.ts'
import { AGENT_STATS_PATH } from './agent-stats.ts'
import { MODULE_FOLDER } from './kernel-module.ts'

const MB = 1024 * 1024
const sizeText = (bytes: number): string => (bytes >= 999.5 * MB ? `${(bytes / (1024 * MB)).toFixed(1)} GB` : `${Math.round(bytes / MB)} MB`)
const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? '' : 's'}`

const REQUIREMENT = 'Linux 6.1 or later with loadable modules, its headers, and DKMS; with Secure Boot a key that this machine trusts.'
const RISK = 'It is code inside the kernel: a fault in it can stop the machine.'

/** What the layer says of the backing file; how much of it is used is told to root alone. */
const BACKING_WORDS: Record<ModuleBacking['state'], (most: string, used: string) => string> = {
  'in-use': (most) => `Its backing file may take ${most}.`,
  full: (most) => `Its backing file of ${most} is full: what should go there stays compressed in memory.`,
  failing: (most, used) => `Its backing file of ${most}, ${used} used, cannot be written now: what should go there stays compressed in memory.`,
}

/** The layer of agentmem.ko, of what the probe saw; figures are the reader's own agents', all for root. */
export const moduleStatus = ({ kernelModule: module }: Probe): LayerStatus => {
  const base = { id: 'kernel-module' as const, title: 'Kernel module (agentmem.ko)', requirement: REQUIREMENT, sources: [AGENT_STATS_PATH, `${MODULE_FOLDER}/refcnt`, `${MODULE_FOLDER}/parameters`] }
  if (module.obstacle !== null) return { ...base, state: 'unavailable', summary: `${module.obstacle.message} ${module.obstacle.advice}`, savesBytes: missing('not-measured', 'it is not loaded'), cost: 'Nothing: it is not loaded.' }
  if (!module.loaded) return { ...base, state: 'off', summary: `Built for this kernel${module.version === null ? '' : ` (${module.version})`}, not loaded. Programs keep their units in the broker.`, savesBytes: known(0), cost: `Nothing while it is not loaded. ${RISK}` }
  const totals = module.stats?.totals
  if (totals === undefined) return { ...base, state: 'on', summary: `Loaded${module.version === null ? '' : ` (${module.version})`}; it does not say what it holds.`, savesBytes: missing('malformed', `${AGENT_STATS_PATH} is not as expected`), cost: RISK }
  const stored = totals.hotBytes + totals.warmBytes + totals.coldBytes
  const compressing = totals.driver === 'none' ? 'nothing is compressed: this kernel lacks the compressor it was loaded with' : `compressed by ${totals.driver}`
  const backing = totals.backing === null ? '' : ` ${BACKING_WORDS[totals.backing.state](sizeText(totals.backing.mostBytes), sizeText(totals.backing.usedBytes))}`
  return {
    ...base,
    state: 'on',
    summary: `${totals.units === 0
      ? `Loaded; no program keeps units in it now (${compressing}).`
      : `${count(totals.agents, 'agent')} with ${count(totals.units, 'unit')}: ${sizeText(totals.bytes)} held, ${sizeText(totals.hotBytes)} resident, ${sizeText(totals.warmBytes)} ${compressing}${totals.coldBytes > 0 ? `, ${sizeText(totals.coldBytes)} on disk` : ''}.`}${backing}`,
    savesBytes: known(Math.max(0, totals.bytes - stored)),
    cost: `CPU time when units are compressed and read again. ${RISK}`,
  }
}
