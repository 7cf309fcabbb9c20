import { fail } from '../../../helper/contract/result.ts'
import type { ProcessRef } from '../../../helper/contract/agents.ts'
import { readStat } from '../../../helper/observe/process.ts'
import type { TraceLine } from '../../contract/diagnosis.ts'
import { EXIT } from '../exit-codes.ts'
import { withApp } from '../open-app.ts'
import { note, out, outJson, printFailure, say, table } from '../print.ts'

export interface TraceOptions {
  json: boolean
  pid?: number
  seconds: number
}

const printLine = ({ id, title, what, command, installed, install, process }: TraceLine): void => {
  out(`${id}  ${title}${process === 'needed' ? ' (needs --pid)' : ''}`)
  say(`  ${what}`, 2)
  out(`  ${command}`)
  if (!installed) out(`  not here; it comes with: ${install}`)
}

const refOf = (pid: number): ProcessRef | null => {
  const { value } = readStat('/', pid)
  return value === null ? null : { pid, startTimeTicks: value.startTimeTicks }
}

/** Lists the lines to look deeper with, or runs one through the helper and shows what it saw. */
export const trace = (id: string | null, options: TraceOptions): Promise<number> =>
  withApp(async (app) => {
    const list = await app.call('trace.list', {})
    if (!list.ok) return printFailure(list.error, options.json)
    const { lines } = list.value
    if (id === null) {
      if (options.json) outJson('trace-lines', list.value)
      else for (const line of lines) printLine(line)
      return EXIT.ok
    }
    const line = lines.find((one) => one.id === id)
    if (line === undefined) return printFailure(fail('bad-request', `There is no line "${id}" to look deeper with.`, { expected: lines.map((one) => one.id).join(', '), got: id, advice: 'What each shows: agentmemctl trace' }).error, options.json)
    if (line.process === 'needed' && options.pid === undefined) return printFailure(fail('bad-request', `${id} looks at one process.`, { about: 'pid', advice: 'Say which: --pid NUMBER' }).error, options.json)
    if (options.seconds > line.secondsMost) return printFailure(fail('bad-request', `${id} looks for ${line.secondsMost} seconds at most.`, { about: 'seconds', expected: `1 to ${line.secondsMost}`, got: String(options.seconds) }).error, options.json)
    const process = options.pid === undefined || line.process === 'none' ? null : refOf(options.pid)
    if (options.pid !== undefined && process === null && line.process !== 'none') return printFailure(fail('bad-request', `There is no process ${options.pid}.`, { about: 'pid', got: String(options.pid) }).error, options.json)
    if (!options.json) note(`Looking for ${options.seconds} s...`)
    const answer = await app.call('trace.run', { id, process, seconds: options.seconds })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('trace', answer.value)
    else {
      const { table: result, text, truncated } = answer.value
      out(result === null ? text.trimEnd() : table(result.columns, result.rows))
      if (truncated) note('Only the beginning is shown: there was more than is passed on.')
    }
    return EXIT.ok
  })
