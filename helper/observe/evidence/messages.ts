import { closeSync, constants, openSync, readSync } from 'node:fs'
import type { Evidence } from '../../contract/evidence.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { missingFrom, readText, under } from '../files.ts'
import { printable } from '../process.ts'

type Message = NonNullable<Evidence['kernelMessages']['value']>[number]

/** One record is never longer (CONSOLE_EXT_LOG_MAX), and a shorter buffer is refused. */
const RECORD_BYTES = 8192
const MOST_RECORDS = 50_000
/** One of these is in every message we know: the others are passed over before they become text. */
const WORDS = ['Killed process', 'allocation failure', 'on swap-device', 'blocked for more']
/** Only so many of them are told, the newest. */
const MOST = 50

const kib = (text: string | undefined): string => `${Math.round(Number(text ?? 0) / 1024)} MB`

/** What a message is, said anew: a kernel message holds paths and cgroups of people, of which nothing is passed on but a program's name. */
const kinds: readonly { readonly kind: Message['kind']; readonly match: RegExp; readonly say: (match: RegExpExecArray) => string }[] = [
  { kind: 'cgroup-oom-kill', match: /^Memory cgroup out of memory: Killed process (\d+) \((.{0,16}?)\).*anon-rss:(\d+)kB/u, say: (m) => `killed ${printable(m[2] ?? '')} (process ${m[1] ?? ''}, ${kib(m[3])} of its own) at its cgroup's limit` },
  { kind: 'oom-kill', match: /^Out of memory(?: \(oom_kill_allocating_task\))?: Killed process (\d+) \((.{0,16}?)\).*anon-rss:(\d+)kB/u, say: (m) => `killed ${printable(m[2] ?? '')} (process ${m[1] ?? ''}, ${kib(m[3])} of its own): out of memory` },
  { kind: 'allocation-failure', match: /^(.{1,16}?): page allocation failure: order:(\d+)/u, say: (m) => `no block of 2^${m[2] ?? ''} pages for ${printable(m[1] ?? '')}` },
  { kind: 'swap-error', match: /^(Read|Write)-error on swap-device/u, say: (m) => `${m[1] === 'Read' ? 'reading from' : 'writing to'} swap failed` },
  { kind: 'hung-task', match: /^INFO: task (.{1,16}?):(\d+) blocked for more than (\d+) seconds/u, say: (m) => `${printable(m[1] ?? '')} (process ${m[2] ?? ''}) was stuck for more than ${m[3] ?? ''} s` },
]

/** `prio,sequence,microseconds,flags;text`; null for any other message. */
export const classifyMessage = (record: string): Message | null => {
  const match = /^\d+,\d+,(\d+),[^;]*;(.*)$/mu.exec(record)
  if (match === null) return null
  for (const { kind, match: pattern, say } of kinds) {
    const found = pattern.exec(match[2] ?? '')
    if (found !== null) return { atS: Math.floor(Number(match[1]) / 1e6), kind, text: say(found) }
  }
  return null
}

const newest = (messages: readonly Message[]): Message[] => messages.slice(-MOST)

/** Reads what is there and does not wait for more. */
const readRecords = (path: string): Reading<Message[]> => {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return missingFrom(error, path, 'not-supported')
  }
  const buffer = Buffer.allocUnsafe(RECORD_BYTES)
  const messages: Message[] = []
  try {
    for (let i = 0; i < MOST_RECORDS; i += 1) {
      let length: number
      try {
        length = readSync(fd, buffer, 0, RECORD_BYTES, null)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined
        if (code === 'EAGAIN') return known(newest(messages))
        if (code === 'EPIPE') continue // overwritten while we read: the next read goes on behind the gap
        return missingFrom(error, path, 'not-supported')
      }
      if (length === 0) break
      const record = buffer.subarray(0, length)
      if (!WORDS.some((word) => record.includes(word, 0, 'latin1'))) continue
      const message = classifyMessage(record.toString('utf8'))
      if (message !== null) messages.push(message)
    }
    return known(newest(messages))
  } finally {
    closeSync(fd)
  }
}

/** Messages about memory since boot, as far as the kernel still holds them; root alone where dmesg_restrict is on. */
export const readKernelMessages = (root: string): Reading<Message[]> => {
  const path = under(root, '/dev/kmsg')
  if (root === '/') return readRecords(path)
  const text = readText(path)
  if (text.value === null) return missing(text.reason, text.detail)
  return known(newest(text.value.split('\n').flatMap((line) => classifyMessage(line) ?? [])))
}
