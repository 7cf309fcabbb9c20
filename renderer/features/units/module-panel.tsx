import type { ModuleView, UnitTotals } from '../../../electron/contract/units.ts'
import { bytes, duration, plural } from '../../format/format.ts'
import { Panel } from '../../ui/page.tsx'
import { Tiers } from './tiers.tsx'

const compressing = ({ driver, warmAfterMs }: ModuleView): string => {
  if (driver === null) return 'It does not say what it compresses with.'
  if (driver === 'none') return 'Nothing is compressed: this kernel lacks the compressor it was loaded with.'
  return `Compressed by ${driver}${warmAfterMs === null ? '' : ` when not read for ${duration(warmAfterMs)}`}.`
}

const Dedup = ({ totals, contentBytes }: { totals: UnitTotals; contentBytes: number }) => (
  <p className="module-dedup">
    <strong>{bytes(Math.max(0, totals.bytes - contentBytes))}</strong> of {bytes(totals.bytes)} was held by others already: each content is there once, {bytes(contentBytes)}.
  </p>
)

/** What agentmem.ko keeps of this user's agents, as it says itself. */
export const ModulePanel = ({ module }: { module: ModuleView }) => {
  const { totals, contentBytes, version } = module
  return (
    <Panel title="In the kernel module" aside={`agentmem.ko${version === null ? '' : ` ${version}`}, loaded`}>
      {totals === null || totals.units === 0 ? (
        <p className="muted">{totals === null ? 'It does not say what it holds: it is of another version.' : 'No program keeps units in it now; those that start from now on do.'}</p>
      ) : (
        <>
          <Tiers totals={totals} />
          {contentBytes !== null && <Dedup totals={totals} contentBytes={contentBytes} />}
        </>
      )}
      <p className="muted">
        {compressing(module)} {totals !== null && totals.units > 0 && `${plural(totals.agents, 'agent')} with ${plural(totals.units, 'unit')}.`}
      </p>
    </Panel>
  )
}
