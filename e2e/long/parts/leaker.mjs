/**
 * Leaks by a known slope: node leaker.mjs BASE_MB MB_PER_HOUR [GARBAGE_MB SECONDS].
 * With the last two it also gathers garbage and lets go of it every so many
 * seconds, as a program does that collects it: what stays is the leak alone.
 */
const MB = 1024 * 1024
const PIECE = MB / 4
const [base = 0, perHour = 0, garbage = 0, seconds = 0] = process.argv.slice(2).map(Number)

/** Written to, so that it is really there, and of varying bytes, so that nobody merges it. */
const take = (bytes) => {
  const piece = Buffer.alloc(bytes)
  for (let at = 0; at < bytes; at += 512) piece.writeUInt32LE(Math.floor(Math.random() * 2 ** 32), at)
  return piece
}
const kept = [take(base * MB)]
setInterval(() => kept.push(take(PIECE)), (PIECE / (perHour * MB)) * 3_600_000)

if (garbage > 0) {
  let gathered = []
  setInterval(() => gathered.push(take(MB)), (seconds * 1000) / garbage)
  setInterval(() => {
    gathered = []
    globalThis.gc?.()
  }, seconds * 1000)
}
