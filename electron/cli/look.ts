import { writeFileSync } from 'node:fs'
import type { LayerId } from '../../helper/contract/layers.ts'
import type { RegistryEntry } from '../../helper/contract/lifecycle.ts'
import { layerPresetId } from '../../helper/contract/presets.ts'
import { askApp } from '../app/app-socket.ts'
import { amount } from '../app/amounts.ts'
import { messageOf } from '../app/files.ts'
import { appPaths } from '../app/paths.ts'
import type { Request } from '../contract/channels.ts'
import { isListed } from '../contract/views.ts'
import { EXIT } from './exit-codes.ts'
import { guardLine } from './guard.ts'
import { withApp } from './open-app.ts'
import { bytesOr, duration, note, out, outJson, printFailure, say, table, wrapped } from './print.ts'

const started = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

/** One look at everything: the JSON is the contract's snapshot. */
export const snapshot = (options: { json: boolean; commandLines: boolean; save?: string }): Promise<number> =>
  withApp(async (app) => {
    if (options.save !== undefined) {
      const saved = await app.call('snapshots.take', { label: options.save })
      if (!saved.ok) return printFailure(saved.error, options.json)
      if (options.json) outJson('snapshot-saved', saved.value)
      else out(`Saved as snapshot ${saved.value.id}: ${saved.value.agents} agents, ${amount(saved.value.agentsCostBytes)}.`)
      return EXIT.ok
    }
    const taken = await app.inner.sampler.snapshot(options.commandLines)
    if (!taken.ok) return printFailure(taken.error, options.json)
    const { machine, agents, counts, cpuMs } = taken.value
    if (options.json) {
      outJson('snapshot', taken.value)
      return EXIT.ok
    }
    out(`Memory     ${amount(machine.memory.availableBytes)} available of ${amount(machine.memory.totalBytes)}`)
    out(`Agents     ${agents.length}, together ${amount(agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0))}`)
    out(`Compressed ${amount(taken.value.compressed.storedBytes)} held in ${amount(taken.value.compressed.poolBytes)}`)
    out(`Looked at  ${counts.seen} processes in ${Math.round(cpuMs)} ms of CPU; ${counts.vanished} vanished, ${counts.unreadable} unreadable`)
    return EXIT.ok
  })

/** One short line of why it is as it is: what won, what failed, what keeps it busy, what is next. */
const whyOf = (entry: RegistryEntry | undefined): string => {
  if (entry === undefined) return ''
  if (entry.doing !== null) return `${entry.doing}...`
  if (entry.problem !== null) return entry.problem.message
  if (entry.suspension !== null) return `won ${amount(entry.suspension.wonBytes)} since ${started.format(entry.suspension.sinceMs)}`
  const [reason] = entry.activity.reasons
  if (reason !== undefined) return reason.text
  return entry.suspendsAtMs === null ? '' : `will be suspended at ${started.format(entry.suspendsAtMs)}`
}

export const agents = (options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const seen = await app.inner.sampler.agents(0)
    if (!seen.ok) return printFailure(seen.error, options.json)
    // What they do is known to the registry; without it they are listed all the same.
    const registry = await app.call('lifecycle.get', {})
    const entries = new Map((registry.ok ? registry.value.entries : []).map((entry) => [entry.id, entry]))
    // The states and the order of the window.
    const { agents: listed, totals } = await app.inner.sampler.live()
    if (options.json) {
      outJson('agents', { agents: listed.map((agent) => ({ ...agent, lifecycle: entries.get(agent.id) ?? null })) })
      return EXIT.ok
    }
    if (listed.length === 0) out('No agents are running. Start one, or name your own in ~/.config/agentmem/agents.json.')
    else {
      const rows = listed
        .toSorted((a, b) => b.cost.costBytes - a.cost.costBytes)
        .map((agent) => [agent.title, agent.name, agent.state, duration(agent.idleMs.value), amount(agent.cost.costBytes), amount(agent.cost.compressedBytes), String(agent.processes.length), String(agent.pid), whyOf(entries.get(agent.id))])
      out(table(['AGENT', 'PROJECT', 'STATE', 'IDLE', 'COST', 'COMPRESSED', 'PROCS', 'PID', ''], rows, [3, 4, 5, 6, 7]))
      if (totals.suspendedCount > 0) out(`Suspended: ${totals.suspendedCount}, which won ${bytesOr(totals.suspendedWonBytes)}.`)
    }
    if (!registry.ok) note(wrapped(`What they do is not known: ${registry.error.message}`, 0))
    return EXIT.ok
  })

/** `all` lists the switches of layers and the single actions as well. */
export const presets = (options: { json: boolean; all: boolean }): Promise<number> =>
  withApp(async (app) => {
    const list = await app.call('presets.list', {})
    if (!list.ok) return printFailure(list.error, options.json)
    const shown = options.all ? list.value.presets : list.value.presets.filter(isListed)
    const width = Math.max(18, ...shown.map(({ preset }) => preset.id.length))
    if (options.json) outJson('presets', { ...list.value, presets: shown })
    else {
      for (const { preset, builtIn } of shown) {
        out(`${preset.id.padEnd(width)} ${preset.title}${builtIn ? '' : ' (own)'}`)
        say(`${''.padEnd(width + 1)}${preset.description}`, width + 1)
      }
      for (const problem of list.value.problems) note(problem)
    }
    return EXIT.ok
  })

/** The five layers: what they do now, what they save, what they need. */
export const layers = (options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const machine = await app.call('machine.get', {})
    if (!machine.ok) return printFailure(machine.error, options.json)
    const list = await app.call('presets.list', {})
    if (!list.ok) return printFailure(list.error, options.json)
    const switchable = (id: LayerId): boolean => list.value.presets.some(({ preset }) => preset.id === layerPresetId(id, 'on'))
    if (options.json) outJson('layers', { layers: machine.value.layers.map((layer) => ({ ...layer, switchable: switchable(layer.id) })) })
    else {
      for (const layer of machine.value.layers) {
        out(`${layer.id.padEnd(16)} ${layer.state.padEnd(12)} ${layer.title}${layer.savesBytes.value === null ? '' : `, saves ${amount(layer.savesBytes.value)}`}`)
        say(`${''.padEnd(17)}${layer.summary}`, 17)
        say(`${''.padEnd(17)}Costs: ${layer.cost}`, 17)
        if (layer.state === 'unavailable') say(`${''.padEnd(17)}Needs: ${layer.requirement}`, 17)
      }
      out(`Switch with: agentmemctl layer on|off ${machine.value.layers.filter((layer) => switchable(layer.id)).map((layer) => layer.id).join('|')}`)
    }
    return EXIT.ok
  })

export const status = (options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const live = await app.inner.sampler.agents(0)
    const helper = await app.call('helper.get', {})
    const machine = await app.call('machine.get', {})
    if (!helper.ok) return printFailure(helper.error, options.json)
    if (!machine.ok) return printFailure(machine.error, options.json)
    const registry = await app.call('lifecycle.get', {})
    const lifecycle = registry.ok ? registry.value : null
    const running = await askApp(app.paths.runtimeDir, { do: 'info' })
    const open = helper.value.system === 'ready' ? await app.inner.system.call('Runs', {}) : null
    const runs = open?.ok === true ? open.value : []
    if (options.json) {
      outJson('status', { helper: helper.value, app: running.ok ? { pid: running.value.pid } : null, agents: live.ok ? live.value.length : null, suspended: lifecycle === null ? null : lifecycle.entries.filter((entry) => entry.state === 'suspended').length, guard: lifecycle?.guard ?? null, runs, layers: machine.value.layers })
      return EXIT.ok
    }
    out(`Helper   ${helper.value.system}${helper.value.systemVersion === null ? '' : ` (${helper.value.systemVersion})`}`)
    out(`Session  ${helper.value.session}`)
    out(`App      ${running.ok ? `running, process ${running.value.pid}` : 'not running'}`)
    out(`Agents   ${live.ok ? live.value.length : '-'}${lifecycle === null ? '' : `, ${lifecycle.entries.filter((entry) => entry.state === 'suspended').length} of them suspended`}`)
    out(`Guard    ${lifecycle === null ? '-' : guardLine(lifecycle.guard)}`)
    for (const layer of machine.value.layers) say(`${layer.state.padEnd(12)} ${layer.title}: ${layer.summary}`, 13)
    for (const run of runs) out(`Run ${run.id} (${run.presetTitle}) is ${run.state}`)
    if (helper.value.advice !== '') note(wrapped(helper.value.advice, 0))
    return EXIT.ok
  })

export const runs = (options: { json: boolean; limit: number }): Promise<number> =>
  withApp(async (app) => {
    // One that was left open, by a program that was killed, has an end by now.
    await app.inner.runs.adopt(true)
    const list = await app.call('runs.list', { limit: options.limit })
    if (!list.ok) return printFailure(list.error, options.json)
    if (options.json) outJson('runs', { runs: list.value })
    else if (list.value.length === 0) out('No runs yet. Begin with: agentmemctl plan balanced')
    else {
      const rows = list.value.map(({ summary, gainBytes, noiseBytes }) => [summary.id, summary.presetTitle, summary.state, started.format(summary.startedAtMs), bytesOr(gainBytes), bytesOr(noiseBytes)])
      out(table(['RUN', 'PRESET', 'STATE', 'STARTED', 'GAIN', 'NOISE'], rows, [4, 5]))
    }
    return EXIT.ok
  })

export const compare = (fromId: number, toId: number, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const delta = await app.call('compare.get', { fromId, toId })
    if (!delta.ok) return printFailure(delta.error, options.json)
    if (options.json) {
      outJson('comparison', delta.value)
      return EXIT.ok
    }
    if (delta.value.incomparableReason !== null) note(delta.value.incomparableReason)
    out(table(['', 'BEFORE', 'AFTER', 'CHANGE'], delta.value.machine.map((row) => [row.label, bytesOr(row.beforeBytes), bytesOr(row.afterBytes), bytesOr(row.changeBytes)]), [1, 2, 3]))
    out('')
    out(table(['AGENT', 'PROJECT', 'BEFORE', 'AFTER', 'CHANGE'], delta.value.agents.map((row) => [row.title, row.name, bytesOr(row.beforeBytes), bytesOr(row.afterBytes), bytesOr(row.changeBytes)]), [2, 3, 4]))
    return EXIT.ok
  })

export const report = (runId: string, options: { format: Request<'report.make'>['format']; output?: string; private: boolean }): Promise<number> =>
  withApp(async (app) => {
    await app.inner.runs.adopt(true)
    const made = await app.call('report.make', { subject: { of: 'run', runId }, format: options.format, private: options.private })
    if (!made.ok) return printFailure(made.error, false)
    const content = Buffer.from(made.value.base64, 'base64')
    if (options.output === '-') {
      process.stdout.write(content)
      return EXIT.ok
    }
    const path = options.output ?? made.value.fileName
    try {
      // Never over somebody's file without being told which.
      writeFileSync(path, content, { flag: options.output === undefined ? 'wx' : 'w', mode: 0o600 })
    } catch (error) {
      note(`agentmemctl: ${path} could not be written: ${messageOf(error)}`)
      return EXIT.failed
    }
    note(`Written to ${path}`)
    return EXIT.ok
  })

export const openWindow = async (): Promise<number> => {
  const reply = await askApp(appPaths().runtimeDir, { do: 'open' })
  if (!reply.ok) return printFailure(reply.error, false)
  out(reply.value.url ?? 'The window of the running app is shown.')
  return EXIT.ok
}
