import type { LayerStatus } from '../../../helper/contract/layers.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import type { UnitsView } from '../../contract/units.ts'

/** As the window writes sizes: 1 GB is 1024 MB. */
const sizeText = (bytes: number): string => (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GB` : bytes >= 2 ** 20 ? `${Math.round(bytes / 2 ** 20)} MB` : `${Math.round(bytes / 1024)} kB`)
const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? '' : 's'}`

/** Sealed memfds of the user's broker: what is the same is there once, what is old is compressed. */
const sharedMemory = (layer: LayerStatus, view: UnitsView): LayerStatus => {
  if (layer.state === 'unavailable') return layer
  const { totals } = view
  const base = { ...layer, title: 'Shared memory (memfd)', requirement: 'Linux 3.17 (memfd with seals), and programs that use libagentmem, its bindings, or "agentmemctl run --share".', sources: ["the user's broker", view.settingsPath] }
  if (view.broker === 'not-installed') return { ...base, state: 'unavailable', summary: view.problem ?? 'The broker is not installed.', savesBytes: missing('not-measured', 'the broker is not installed'), cost: 'Nothing: it is not in use.' }
  const trouble = view.problem === null ? '' : ` ${view.problem}`
  if (totals === null) {
    return view.settings.enabled
      ? { ...base, state: 'on', summary: `On; no program uses it now.${trouble}`, savesBytes: known(0), cost: 'Nothing while no program uses it: the broker starts with the first one.' }
      : { ...base, state: 'off', summary: `Off: programs keep their memory to themselves.${trouble}`, savesBytes: known(0), cost: 'Nothing while it is off.' }
  }
  const stored = totals.hotBytes + totals.warmBytes + totals.coldBytes
  return {
    ...base,
    state: view.settings.enabled ? 'on' : 'partial',
    summary: view.settings.enabled
      ? `${count(totals.agents, 'agent')} with ${count(totals.units, 'unit')}: ${sizeText(totals.bytes)} held, ${sizeText(totals.hotBytes)} resident, ${sizeText(totals.warmBytes)} compressed.${trouble}`
      : `Switched off; ${count(totals.agents, 'agent')} that began before still ${totals.agents === 1 ? 'uses' : 'use'} it.${trouble}`,
    savesBytes: known(Math.max(0, totals.bytes - stored - totals.ownBytes)),
    cost: `The broker takes ${sizeText(totals.ownBytes)} itself; what is compressed costs CPU time when it goes in and when it is read again.`,
  }
}

/** The cold tier: a sparse file on disk. */
const mappedStore = (layer: LayerStatus, view: UnitsView): LayerStatus => {
  const { totals } = view
  const base = { ...layer, requirement: 'The shared-memory layer, and a file system with sparse files and hole punching (ext4, xfs, btrfs).', sources: [view.storePath, view.settingsPath] }
  if (view.broker === 'not-installed') return { ...base, state: 'unavailable', summary: 'It needs the broker of the shared-memory layer.', savesBytes: missing('not-measured', 'the broker is not installed'), cost: 'Nothing: it is not in use.' }
  const cold = totals?.coldBytes ?? 0
  const on = view.settings.enabled && view.settings.cold
  return {
    ...base,
    state: on ? 'on' : cold > 0 ? 'partial' : 'off',
    summary: totals === null
      ? on ? `On; no program uses it now. What is old goes to ${view.storePath}.` : 'Off: nothing goes to disk.'
      : on ? `${sizeText(cold)} on disk, in ${view.storePath}.` : cold > 0 ? `Nothing more goes to disk; ${sizeText(cold)} that is there can be read.` : 'Off: nothing goes to disk.',
    savesBytes: known(cold),
    cost: on ? 'Writes to the disk when units grow old; the first read of such a unit waits for the disk.' : 'Nothing while it is off.',
  }
}

/** The two layers that are the user's own, seen by the app: the helper knows neither broker nor store. */
export const withUnits = (layers: readonly LayerStatus[], view: UnitsView): LayerStatus[] =>
  layers.map((layer) => (layer.id === 'shared-memory' ? sharedMemory(layer, view) : layer.id === 'mapped-store' ? mappedStore(layer, view) : layer))
