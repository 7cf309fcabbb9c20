import type { Reading } from '../../helper/contract/reading.ts'

/** The value, or what stands in for a gap where an order is needed; never for showing. */
export const valueOfReading = <T>(reading: Reading<T>, fallback: T): T => (reading.value === null ? fallback : reading.value)
