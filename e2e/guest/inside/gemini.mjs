// Stands in for an agent: at a path that its signature matches, with a heap of
// text as a transcript makes, a heart that shows whether it runs, and a server
// of its own. Orders come as lines in a file.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const [folder, heapMib] = process.argv.slice(2)
const word = 'the quick brown fox reads {"role":"user","content":"file"} and '
/** Compresses well, and no two pages are equal. */
const block = (mib) => {
  const buffer = Buffer.alloc(mib * 1024 * 1024)
  for (let at = 0, line = 0; at < buffer.length; line += 1) at += buffer.write(`${line} ${word}`, at, 'latin1') || buffer.length
  return buffer
}
const kept = [block(Number(heapMib))]
// At its prompt: keys come one by one, as every agent with a screen reads them.
if (process.stdin.isTTY) {
  process.stdin.setRawMode(true)
  process.stdin.resume()
}
// Wakes up rarely, as an agent at its prompt does, yet often enough to be seen.
let beats = 0
setInterval(() => {
  beats += 1
  writeFileSync(`${folder}/heart`, String(beats))
}, 250)
let done = 0
setInterval(() => {
  let orders = []
  try {
    orders = readFileSync(`${folder}/orders`, 'latin1').split('\n').slice(0, -1)
  } catch {
    return
  }
  for (const order of orders.slice(done)) {
    const [verb, amount] = order.split(' ')
    if (verb === 'grow') kept.push(block(Number(amount)))
    if (verb === 'tool') spawn('/usr/bin/python3', [`${process.argv[1].replace(/[^/]*$/u, '')}tool.py`, amount], { stdio: 'ignore' })
    writeFileSync(`${folder}/did`, order)
  }
  done = orders.length
}, 300)
writeFileSync(`${folder}/ready`, String(process.pid))
