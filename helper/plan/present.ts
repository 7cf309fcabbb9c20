import type { Probe } from '../contract/probe.ts'

/**
 * The value a kernel file holds, out of its text: files that list their
 * choices mark the present one with brackets ("[none] scan-time").
 */
export const presentValue = (text: string): string => {
  const trimmed = text.trim()
  const chosen = /\[([^\]\s]+)\]/u.exec(trimmed)
  return chosen?.[1] ?? trimmed
}

/** The choices such a file lists, without the brackets; one element for any other file. */
export const choicesOf = (text: string): string[] =>
  text
    .trim()
    .split(/\s+/u)
    .map((word) => word.replace(/^\[(.*)\]$/u, '$1'))

/** The present value of a file of the probe; null where it is absent or unreadable. */
export const presentOf = (probe: Probe, path: string): string | null => {
  const reading = probe.files[path]
  return reading === undefined || reading.value === null ? null : presentValue(reading.value)
}

/** "Linux 6.1", for sentences that name what is missing. */
export const kernelName = (probe: Probe): string => `Linux ${probe.kernelVersion[0]}.${probe.kernelVersion[1]}`

export const atLeast = (probe: Probe, major: number, minor: number): boolean =>
  probe.kernelVersion[0] > major || (probe.kernelVersion[0] === major && probe.kernelVersion[1] >= minor)

/** Bytes in the unit a sentence wants, as the window says it (1 GB is 1024 MB): "12.3 GB", "512 MB". */
export const sizeText = (bytes: number): string =>
  Math.abs(bytes) >= 999.5 * 1024 ** 2 ? `${(bytes / 1024 ** 3).toFixed(1)} GB` : `${Math.round(bytes / 1024 ** 2)} MB`
