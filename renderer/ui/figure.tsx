import type { Reading } from '../../helper/contract/reading.ts'
import { bytesParts, DASH, missingWords } from '../format/format.ts'

/** A reading as text; where it is missing, a dash that says why on hover. */
export const Figure = ({ reading, format }: { reading: Reading; format: (value: number) => string }) =>
  reading.value === null ? <Gap reason={missingWords(reading.reason, reading.detail)} /> : <>{format(reading.value)}</>

export const Gap = ({ reason }: { reason: string }) => (
  <span className="gap" title={reason}>
    <span aria-hidden="true">{DASH}</span>
    <span className="sr-only">missing: {reason}</span>
  </span>
)

/** An amount of memory set large, its unit smaller beside it. */
export const BigBytes = ({ bytes }: { bytes: number }) => {
  const { value, unit } = bytesParts(bytes)
  return (
    <>
      <span className="big-value">{value}</span>
      <span className="big-unit">{'\u00a0'}{unit}</span>
    </>
  )
}
