import type { GuardStatus } from '../../helper/contract/lifecycle.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { bytesOr, out, outJson, printFailure, say } from './print.ts'

const moment = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' })

export const guardLine = (guard: GuardStatus | null): string =>
  guard === null || !guard.running
    ? 'not running: nothing is suspended and no run is open'
    : `running, process ${guard.pid ?? '-'}, ${bytesOr(guard.pssBytes)}; stands for ${guard.agents} suspended ${guard.agents === 1 ? 'agent' : 'agents'} and ${guard.runs} open ${guard.runs === 1 ? 'run' : 'runs'}`

/** The dead man's switch, and what it left word of. */
export const guard = (options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const registry = await app.call('lifecycle.get', {})
    if (!registry.ok) return printFailure(registry.error, options.json)
    const status = registry.value.guard
    if (options.json) {
      outJson('guard', { guard: status })
      return EXIT.ok
    }
    out(`Guard    ${guardLine(status)}`)
    for (const word of status?.words ?? []) say(`${moment.format(word.atMs)}  ${word.what.padEnd(13)} ${word.text}`, 4)
    if (status !== null && status.words.length === 0) out('It has said nothing.')
    return EXIT.ok
  })
