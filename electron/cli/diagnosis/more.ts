import { writeFileSync } from 'node:fs'
import { fail } from '../../../helper/contract/result.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import { amount } from '../../app/amounts.ts'
import { messageOf } from '../../app/files.ts'
import { EXIT } from '../exit-codes.ts'
import { withApp } from '../open-app.ts'
import { bytesOr, note, out, outJson, printFailure, table } from '../print.ts'
import { printPlacement } from './placement.ts'
import { printLeaks } from './words.ts'

export interface LeakOptions {
  json: boolean
  verbose: boolean
  since: number
  bytes: number
  percent: number
}

/** Who grows without end, of what the history kept. */
export const leaks = (options: LeakOptions): Promise<number> =>
  withApp(async (app) => {
    const answer = await app.call('leaks.get', { thresholds: { bytesPerHour: options.bytes, percentPerHour: options.percent }, fromMs: Date.now() - options.since })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('leaks', { leaks: answer.value })
    else printLeaks(answer.value, options.verbose)
    return EXIT.ok
  })

const whole = new Intl.NumberFormat('en-GB')

/** Every figure the kernel has of a process, of one agent's or of all. */
export const processes = (pid: number | null, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const agents = pid === null ? null : await app.inner.sampler.agents(0)
    if (agents !== null && !agents.ok) return printFailure(agents.error, options.json)
    const agent = agents?.value.find((one) => one.pid === pid || one.processes.some((process) => process.pid === pid))
    if (pid !== null && agent === undefined) return printFailure(fail('bad-request', `No agent has a process ${pid}.`, { about: 'pid', got: String(pid), advice: 'Those there are: agentmemctl agents' }).error, options.json)
    const answer = await app.call('processes.get', { agentId: agent?.id ?? null })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('processes', answer.value)
    else {
      const count = (reading: Reading): string => (reading.value === null ? '-' : whole.format(reading.value))
      out(table(
        ['PID', 'PROCESS', 'RSS', 'VSZ', 'HEAP', 'STACK', 'SHARED', 'LOCKED', 'SWAP', 'MINOR', 'MAJOR'],
        answer.value.processes.map(({ ref, title, rssBytes, virtualBytes, heapBytes, stackBytes, fileBytes, shmemBytes, lockedBytes, swapBytes, minorFaults, majorFaults }) => [
          String(ref.pid), title.slice(0, 24), bytesOr(rssBytes), bytesOr(virtualBytes), bytesOr(heapBytes), bytesOr(stackBytes),
          fileBytes.value === null ? '-' : amount(fileBytes.value + (shmemBytes.value ?? 0)), bytesOr(lockedBytes), bytesOr(swapBytes), count(minorFaults), count(majorFaults),
        ]),
        [0, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      ))
      printPlacement(answer.value, agent !== undefined)
    }
    return EXIT.ok
  })

/** Everything somebody who helps would ask for, without what is private: figures, findings, versions. */
export const debugSnapshot = (options: { output?: string }): Promise<number> =>
  withApp(async (app) => {
    const ask = async <T>(call: Promise<{ ok: true; value: T } | { ok: false; error: unknown }>): Promise<T | { error: unknown }> => {
      const answer = await call
      return answer.ok ? answer.value : { error: answer.error }
    }
    const content = {
      version: 1,
      what: 'agentmem-debug-snapshot',
      node: process.versions,
      machine: await ask(app.call('machine.get', {})),
      helper: await ask(app.call('helper.get', {})),
      diagnosis: await ask(app.call('diagnosis.get', { leaks: true })),
      runs: await ask(app.call('runs.list', { limit: 20 })),
      snapshot: await ask(app.inner.sampler.snapshot(false)),
    }
    const text = `${JSON.stringify(content, null, 2)}\n`
    if (options.output === '-') {
      process.stdout.write(text)
      return EXIT.ok
    }
    const path = options.output ?? `agentmem-debug-${new Date().toISOString().replaceAll(/[-:]/gu, '').slice(0, 15)}.json`
    try {
      writeFileSync(path, text, { flag: options.output === undefined ? 'wx' : 'w', mode: 0o600 })
    } catch (error) {
      note(`agentmemctl: ${path} could not be written: ${messageOf(error)}`)
      return EXIT.failed
    }
    out(`Written to ${path}. It names programs and projects, no command lines; look at it before you send it.`)
    return EXIT.ok
  })
