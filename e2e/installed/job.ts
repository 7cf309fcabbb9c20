import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunDetail } from '../../electron/contract/views.ts'
import type { Failure, Result } from '../../helper/contract/errors.ts'
import type { RunState } from '../../helper/contract/runs.ts'
import type { SnapshotDelta } from '../../helper/contract/snapshot-delta.ts'
import { startFleet, type Fleet, type FleetCounts, type FleetOptions } from '../fixtures/fleet/fleet.ts'
import { removeFolder, type FleetUser } from '../fixtures/fleet/ground.ts'
import { asUserInTree, makeUserFolders, startAppHost, startSessionBus, userEnvironment, type AppHost } from './app-host.ts'
import { installHelper, type InstalledHelper } from './installed-helper.ts'
import { takeKernelLock } from './kernel-lock.ts'
import { undoList } from './undo.ts'
import { projectDir, startProgram, type Running } from './world.ts'

/** What must hold of an answer for the test to go on. */
export const valueOf = <T>(answer: Result<T>): T => {
  if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message} ${answer.error.got ?? ''}`)
  return answer.value
}

export const errorOf = (answer: Result<unknown>): Failure => {
  if (answer.ok) throw new Error(`expected a failure, got ${JSON.stringify(answer.value).slice(0, 300)}`)
  return answer.error
}

/** Looks at a run until it is in one of these states. */
export const waitForRun = async (app: AppHost, runId: string, states: readonly RunState[], limitMs: number): Promise<RunDetail> => {
  const until = performance.now() + limitMs
  for (;;) {
    const detail = valueOf(await app.call('runs.get', { runId }))
    if (states.includes(detail.record.state)) return detail
    const { state, error } = detail.record
    if (performance.now() > until) throw new Error(`run ${runId} is ${state} after ${limitMs / 1000} s, expected ${states.join(' or ')}; ${error?.message ?? ''}`)
    await sleep(200)
  }
}

/**
 * polkit's rules of the test: the fleet's user may do all, one user nothing,
 * and the third is asked for a password.
 */
const rulesFor = (allowed: FleetUser, denied: FleetUser, asked: FleetUser): string => `
polkit.addRule(function (action, subject) {
  if (action.id.indexOf('org.agentmem.') !== 0) return
  if (action.id === 'org.agentmem.look') return polkit.Result.YES
  if (subject.user === '${allowed.name}') return polkit.Result.YES
  if (subject.user === '${denied.name}') return polkit.Result.NO
  if (subject.user === '${asked.name}') return polkit.Result.AUTH_ADMIN
})
`

export interface Job {
  readonly helper: InstalledHelper
  readonly fleet: Fleet
  readonly denied: FleetUser
  readonly asked: FleetUser
  /** An app of this user in its browser host; `name` tells two of one user apart. */
  openApp(user: FleetUser, name: string): Promise<AppHost & { readonly folder: string }>
  /** Starts a script of the checkout as the user, with that app's folders and buses around it. */
  start(user: FleetUser, folder: string, script: string, args: readonly string[], ready?: RegExp): Promise<Running>
  stop(): Promise<void>
}

/** Installed helper on a real bus under a real polkitd, and real agents of an ordinary user, some of them started by our launcher. */
export const startJob = async (fleetOf: { plain: FleetCounts; launched: FleetCounts } & Pick<FleetOptions, 'mcp' | 'projectNames'>): Promise<Job> => {
  const undo = undoList()
  try {
    const lock = await takeKernelLock()
    undo.push(() => lock.release())
    const allowed = await undo.user('agentmem-e2e-job')
    const denied = await undo.user('agentmem-e2e-denied')
    const asked = await undo.user('agentmem-e2e-asked')
    const base = await mkdtemp('/tmp/agentmem-job-')
    chmodSync(base, 0o755)
    undo.push(() => removeFolder(base))
    const helper = await installHelper(rulesFor(allowed, denied, asked))
    undo.push(() => helper.stop())
    const fleet = await startFleet({ user: allowed.name, counts: fleetOf.plain, mcp: fleetOf.mcp ?? false, projectNames: fleetOf.projectNames ?? {} })
    undo.push(() => fleet.stop())
    await fleet.add(fleetOf.launched, helper.launcher)

    const sessions = new Map<string, Promise<string>>()
    const sessionOf = (user: FleetUser, folder: string): Promise<string> => {
      const known = sessions.get(user.name)
      if (known !== undefined) return known
      const made = startSessionBus(user, folder).then((bus) => {
        undo.push(() => bus.stop())
        return bus.address
      })
      sessions.set(user.name, made)
      return made
    }
    const openApp: Job['openApp'] = async (user, name) => {
      const folder = join(base, name)
      await makeUserFolders(folder, user)
      const app = await startAppHost({ user, folder, node: join(fleet.packages.folder, 'bin', 'node'), systemBus: helper.bus.address, sessionBus: await sessionOf(user, folder) })
      let running = true
      const end = async (): Promise<void> => {
        if (running) await app.stop()
        running = false
      }
      undo.push(end)
      return { ...app, folder, stop: end }
    }
    const start: Job['start'] = async (user, folder, script, args, ready) => {
      const environment = userEnvironment({ user, folder, systemBus: helper.bus.address, sessionBus: await sessionOf(user, folder) })
      const [command, words] = asUserInTree(user, folder, (tree) => [join(fleet.packages.folder, 'bin', 'node'), join(tree, script), ...args])
      const running = await startProgram(command, words, { env: environment, ...(ready === undefined ? {} : { ready }) })
      undo.push(() => running.stop())
      return running
    }
    return { helper, fleet, denied, asked, openApp, start, stop: undo.run }
  } catch (error) {
    await undo.run().catch((problem: unknown) => console.error(problem))
    throw error
  }
}

const mib = (bytes: number | null): string => (bytes === null ? '-' : `${Math.round(bytes / 1024 ** 2)}`)

/** The figures of a run, kind by kind, as the README's table has them; MiB. */
export const tableOf = (delta: SnapshotDelta): string => {
  const header = ['kind', 'treated', 'before', 'after', 'control', 'before', 'after', 'expected', 'gain', 'noise']
  const rows = delta.kinds.map((kind) => [
    kind.title, String(kind.treated.count), mib(kind.treated.beforeBytes), mib(kind.treated.afterBytes),
    String(kind.control?.count ?? 0), mib(kind.control?.beforeBytes ?? null), mib(kind.control?.afterBytes ?? null),
    mib(kind.expectedAfterBytes), mib(kind.gainBytes), mib(kind.noiseBytes.value),
  ])
  return [header, ...rows].map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(14) : cell.padStart(9))).join('')).join('\n')
}

/** Leaves what was measured where it can be read later: build/installed/NAME. */
export const keepFigures = async (name: string, text: string | Uint8Array): Promise<void> => {
  const folder = join(projectDir, 'build', 'installed')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), text)
}
