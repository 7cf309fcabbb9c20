import type { Failure } from '../../helper/contract/errors.ts'
import type { Reading } from '../../helper/contract/reading.ts'
import { amount } from '../app/amounts.ts'
import type { AnswerName, Given } from './answers.ts'
import { exitCodeOf } from './exit-codes.ts'

export const out = (text: string): void => { process.stdout.write(`${text}\n`) }
export const note = (text: string): void => { process.stderr.write(`${text}\n`) }
const versioned = (value: object): object => ({ version: 1, ...value })

/** The answer of a command as JSON: an object with its version first; answers.ts has the schemas. */
export const outJson = <N extends AnswerName>(_name: N, value: Given<N>): void => { out(JSON.stringify(versioned(value), null, 2)) }

/** The same as one line, for answers that come again and again. */
export const outJsonLine = <N extends AnswerName>(_name: N, value: Given<N>): void => { out(JSON.stringify(versioned(value))) }

/** A dash is "not known"; it is never shown as zero. */
export const bytesOr = (reading: Reading): string => (reading.value === null ? '-' : amount(reading.value))

export const duration = (ms: number | null): string => {
  if (ms === null) return '-'
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** Breaks a text at blanks so that it fits the terminal, 80 columns where there is none; further lines begin with `indent` blanks. */
export const wrapped = (text: string, indent: number): string => {
  const width = Math.max(40, process.stdout.isTTY ? process.stdout.columns : 80)
  const [first = '', ...words] = text.split(' ')
  const lines = [first]
  for (const word of words) {
    const line = lines.at(-1) ?? ''
    const room = width - (lines.length === 1 ? 0 : indent)
    if (line.trim() !== '' && line.length + 1 + word.length > room) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines.map((line) => line.trimEnd()).join(`\n${' '.repeat(indent)}`)
}

/** A line of prose, broken to fit. */
export const say = (text: string, indent: number): void => out(wrapped(text, indent))

/** Columns padded to their widest cell; the ones named are aligned right. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string => {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()
  return [line(head), ...rows.map(line)].join('\n')
}

/** Sentence, what was met, what to do: to stderr, or whole as JSON to stdout. Answers the exit code. */
export const printFailure = (error: Failure, json: boolean): number => {
  if (json) outJson('error', { error })
  else {
    note(wrapped(`agentmemctl: ${error.message}`, 2))
    if (error.expected !== undefined) note(`  expected: ${error.expected}`)
    if (error.got !== undefined) note(`  got: ${error.got}`)
    if (error.runId !== undefined) note(`  run: ${error.runId}`)
    if (error.advice !== undefined) note(wrapped(`  ${error.advice}`, 2))
  }
  return exitCodeOf(error.code)
}
