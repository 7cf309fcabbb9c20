/** A stand-in for the helper: connects, sends its lines, says so, and then only lives. */
import { createConnection } from 'node:net'

const [path = '', ...lines] = process.argv.slice(2)
let answers = 0
const socket = createConnection(path, () => socket.write(`${lines.join('\n')}\n`))
socket.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
  const got = text.split('\n').filter((line) => /^(?:ok|error) /u.test(line))
  const refused = got.find((line) => line.startsWith('error'))
  if (refused !== undefined) throw new Error(refused)
  answers += got.length
  if (got.length > 0 && answers === lines.length) console.log('ready')
})
setInterval(() => undefined, 60_000)
