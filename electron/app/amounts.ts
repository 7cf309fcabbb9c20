import type { Figure } from '../contract/diagnosis.ts'

const MB = 1024 ** 2
const GB = 1024 ** 3

/** As the window says it: 1 GB is 1024 MB, one decimal, no more digits than anybody needs in a sentence. */
export const amount = (bytes: number): string => {
  const size = Math.abs(bytes)
  if (size >= 999.5 * MB) return `${(bytes / GB).toFixed(1)} GB`
  if (size >= 0.95 * MB || size === 0) return `${Math.round(bytes / MB)} MB`
  return `${Math.ceil(size / 1024) * Math.sign(bytes)} kB`
}

/** Whole, thousands parted: "12,400". */
export const counted = (count: number): string => String(Math.round(Math.abs(count))).replaceAll(/\B(?=(?:\d{3})+(?!\d))/gu, ',').replace(/^(?=[1-9])/u, count < 0 ? '−' : '')

/** "34 %", with one decimal below ten, where it still says something. */
export const percent = (value: number): string => `${Math.abs(value) < 9.95 ? Number(value.toFixed(1)) : Math.round(value)} %`

/** "2.3": how many times. */
export const times = (value: number): string => value.toFixed(1)

/** "once a second", "12 times a second", "2.5 times a second". */
export const often = (perSecond: number): string => (Math.abs(perSecond - 1) < 0.05 ? 'once a second' : `${perSecond < 9.95 ? Number(perSecond.toFixed(1)) : counted(perSecond)} times a second`)

/** "a, b and c". */
export const listed = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1) ?? ''}`

/** One decimal at most, and none from a hundred on; thousands parted. Not by Intl: its tables cost a short command 7 MB. */
const figure = (value: number): string => {
  const [whole = '', decimal] = (Math.abs(value) < 99.95 ? Math.abs(value).toFixed(1) : String(Math.round(Math.abs(value)))).split('.')
  const text = `${whole.replaceAll(/\B(?=(?:\d{3})+(?!\d))/gu, ',')}${decimal === undefined || decimal === '0' ? '' : `.${decimal}`}`
  return value < 0 && text !== '0' ? `-${text}` : text
}

/** A figure of a finding in its unit: "1.2 GB", "34 %", "120 a second". */
export const figureText = (value: number | string, unit: Figure['unit']): string => {
  if (typeof value === 'string') return value
  switch (unit) {
    case 'bytes':
      return amount(value)
    case 'percent':
      return `${figure(value)} %`
    case 'per-second':
      return `${figure(value)} a second`
    case 'ms':
      return value < 1000 ? `${figure(value)} ms` : `${figure(value / 1000)} s`
    case 'count':
    case 'ratio':
    case 'text':
      return figure(value)
  }
}
