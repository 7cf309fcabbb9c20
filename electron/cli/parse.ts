import { InvalidArgumentError } from 'commander'

const UNITS: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** "512M", "1.5G", "2GiB", "1073741824": bytes, 1 K being 1024. Null where the text is none. */
export const bytesOf = (text: string): number | null => {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s?([kmgt]?)(?:i?b)?$/iu.exec(text.trim())
  if (match === null) return null
  const bytes = Math.round(Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1))
  return Number.isSafeInteger(bytes) ? bytes : null
}

const SECONDS: Record<string, number> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400 }

/** "90s", "5m", "2h", "1d": milliseconds; a unit is needed. Null where the text is none. */
export const durationOf = (text: string): number | null => {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)\s?(s|m|min|h|d)$/iu.exec(text.trim())
  return match === null ? null : Math.round(Number(match[1]) * (SECONDS[(match[2] ?? '').toLowerCase()] ?? 1) * 1000)
}

/** A size of the command line. commander takes a null for an option without its argument, so that "none" stays a word until it is used. */
export type Size = number | 'none'
export const sizeBytes = (given: Size): number | null => (given === 'none' ? null : given)

/** For options: a size, or "none", which "max" is another word for. */
export const size = (text: string): Size => {
  if (text === 'none' || text === 'max') return 'none'
  const bytes = bytesOf(text)
  if (bytes === null) throw new InvalidArgumentError(`Expected a size such as 512M or 1.5G, or "none"; got "${text}".`)
  return bytes
}

export const span = (text: string): number => {
  const ms = durationOf(text)
  if (ms === null) throw new InvalidArgumentError(`Expected a time such as 90s, 5m, 2h or 1d; got "${text}".`)
  return ms
}

export const onOff = (text: string): boolean => {
  if (text !== 'on' && text !== 'off') throw new InvalidArgumentError(`Expected "on" or "off"; got "${text}".`)
  return text === 'on'
}

export const importance = (text: string): number => {
  if (!/^\d{1,3}$/u.test(text) || Number(text) > 100) throw new InvalidArgumentError(`Expected a whole number from 0 to 100, higher stays longer; got "${text}".`)
  return Number(text)
}
