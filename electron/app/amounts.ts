const MB = 1024 ** 2
const GB = 1024 ** 3

/** As the window says it: 1 GB is 1024 MB, one decimal, no more digits than anybody needs in a sentence. */
export const amount = (bytes: number): string => {
  const size = Math.abs(bytes)
  if (size >= 999.5 * MB) return `${(bytes / GB).toFixed(1)} GB`
  if (size >= 0.95 * MB || size === 0) return `${Math.round(bytes / MB)} MB`
  return `${Math.ceil(size / 1024) * Math.sign(bytes)} kB`
}
