import { fail } from '../../helper/contract/result.ts'
import type { ModuleView, Unit, UnitAgent, UnitsView } from '../contract/units.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { bytesOr, duration, out, outJson, printFailure, table } from './print.ts'

const size = (value: number): string => bytesOr({ value })

const printModule = ({ totals, driver, contentBytes }: ModuleView): void => {
  if (totals === null) out('Kernel module: loaded, of a version that does not say what it holds.')
  else if (totals.units === 0) out('Kernel module: loaded, no program uses it now.')
  else out(`Kernel module: ${size(totals.bytes)} held in ${totals.units} units${contentBytes === null ? '' : `, ${size(contentBytes)} each content once`}: ${size(totals.hotBytes)} in memory, ${size(totals.warmBytes)} compressed${driver === null ? '' : driver === 'none' ? ' (it has no compressor)' : ` by ${driver}`}, ${size(totals.coldBytes)} on disk`)
}

const printView = (view: UnitsView): void => {
  if (view.problem !== null) out(view.problem)
  const { totals, module } = view
  if (module !== null) printModule(module)
  if ((totals === null || totals.units === 0) && view.agents.length === 0) {
    out(view.broker === 'off' ? 'Sharing is switched off: enabled=no in the settings.' : 'No program uses units now.')
    out(`Settings: ${view.settingsPath}`)
    return
  }
  if (totals !== null && totals.units > 0) out(`${module === null ? '' : 'Broker: '}${size(totals.bytes)} held in ${totals.units} units: ${size(totals.hotBytes)} in memory, ${size(totals.warmBytes)} compressed, ${size(totals.coldBytes)} on disk; the broker itself ${size(totals.ownBytes)}`)
  out('')
  out(table(
    ['AGENT', 'PID', 'KEPT BY', 'STATE', 'UNITS', 'HOLDS', 'OTHERS TOO', 'MEMORY', 'COMPRESSED', 'DISK', 'USED'],
    view.agents.map((one) => [one.domain === '' ? one.name : `${one.name} (${one.domain})`, one.pid === null ? '' : String(one.pid), one.backend, one.state, String(one.units), size(one.bytes), size(one.sharedBytes), size(one.hotBytes), size(one.warmBytes), size(one.coldBytes), duration(one.idleMs)]),
    [1, 4, 5, 6, 7, 8, 9, 10],
  ))
}

const printUnits = (units: readonly Unit[], more: boolean): void => {
  out(table(
    ['UNIT', 'KIND', 'TIER', 'SIZE', 'STORED', 'HELD BY', 'USED'],
    units.map((one) => [one.digest, one.kind, one.tier, size(one.bytes), size(one.storedBytes), String(one.sharers), duration(one.idleMs)]),
    [3, 4, 5, 6],
  ))
  if (more) out('There are more: these are the first.')
}

const chosen = (agents: readonly UnitAgent[], word: string): UnitAgent | undefined => agents.find((one) => one.number === word || String(one.pid) === word) ?? agents.find((one) => one.name === word)

/** What agents share: all of them, or the units of one, by name, process number or the broker's number. */
export const units = (word: string | undefined, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const view = await app.call('units.get', {})
    if (!view.ok) return printFailure(view.error, options.json)
    if (word === undefined) {
      if (options.json) outJson('units', view.value)
      else printView(view.value)
      return EXIT.ok
    }
    const agent = chosen(view.value.agents, word)
    if (agent === undefined) {
      return printFailure(fail('process-gone', `No agent named ${word} uses units.`, { expected: view.value.agents.map(({ name }) => name).join(', ') || 'there is none', got: word, advice: 'Look at them: agentmemctl units' }).error, options.json)
    }
    const listed = await app.call('units.list', { agent: agent.number, backend: agent.backend })
    if (!listed.ok) return printFailure(listed.error, options.json)
    if (options.json) outJson('units-of-agent', listed.value)
    else printUnits(listed.value.units, listed.value.more)
    return EXIT.ok
  })
