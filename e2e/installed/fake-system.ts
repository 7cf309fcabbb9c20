import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Message, sessionBus, type MessageBus } from 'dbus-next'
import type { GuardWord, Suspension } from '../../helper/contract/lifecycle.ts'
import { SYSTEM_BUS_NAME, SYSTEM_OBJECT_PATH, systemRequests, type SystemRequest, type SystemResponse } from '../../helper/contract/requests.ts'

/**
 * A system role that freezes nothing: it writes what a cgroup would say into
 * folders of its own, so that the session role can be tested without root.
 */
export interface FakeSystem {
  /** Requests so far: method, and whether the caller may be asked for a password. */
  readonly calls: { method: string; mayAsk: boolean; request: unknown }[]
  /** The answer instead of suspending, until set back to null. */
  refuse: { code: string; message: string } | null
  readonly suspended: () => Suspension[]
  /** As the guard does when a key is typed. */
  readonly typeKey: (agentId: string) => void
  /** Leaves the bus; what is frozen stays so. */
  readonly stop: () => void
}

const ALLOW_INTERACTIVE = 4
const size = { costBytes: 0, residentAnonBytes: 0, swapPssBytes: 0, compressedBytes: 0, fileBytes: 0 }

export const startFakeSystem = async (address: string, folder: string): Promise<FakeSystem> => {
  const bus: MessageBus = sessionBus({ busAddress: address })
  const held = new Map<string, Suspension>()
  const words: GuardWord[] = []
  const freeze = (cgroup: string, frozen: boolean): void => {
    mkdirSync(cgroup, { recursive: true })
    writeFileSync(join(cgroup, 'cgroup.events'), `populated 1\nfrozen ${frozen ? 1 : 0}\n`)
  }
  const thaw = (agentId: string): void => {
    const one = held.get(agentId)
    if (one !== undefined) freeze(one.cgroup, false)
    held.delete(agentId)
  }
  const suspend = ({ agent, cause }: SystemRequest<'Suspend'>): SystemResponse<'Suspend'> => {
    const cgroup = join(folder, 'cgroups', String(agent.processes[0]?.pid))
    freeze(cgroup, true)
    const suspension: Suspension = { agentId: agent.id, title: agent.title, uid: 0, sinceMs: Date.now(), cause, cgroup, processes: agent.processes, terminal: null, before: size, after: size, wonBytes: 1_000_000, workingSetBytes: 0, freezeMs: 1, reclaimMs: 1, stoppedBy: null }
    held.set(agent.id, suspension)
    return suspension
  }
  const resume = ({ agentIds, cause }: SystemRequest<'Resume'>): SystemResponse<'Resume'> => {
    const ids = (agentIds ?? [...held.keys()]).filter((id) => held.has(id))
    const resumed = ids.map((agentId) => ({ agentId, cause, suspendedForMs: Date.now() - (held.get(agentId)?.sinceMs ?? 0), prefaultedBytes: 0, tookMs: 2 }))
    for (const id of ids) thaw(id)
    return { resumed, left: [] }
  }
  const can = { how: 'helper' as const, text: 'Agents are frozen and paged out.' }
  const system: FakeSystem = {
    calls: [],
    refuse: null,
    suspended: () => [...held.values()],
    typeKey: (agentId) => {
      thaw(agentId)
      words.push({ atMs: Date.now(), what: 'woke', text: 'A key was typed.', runId: null, agentId, uid: 0 })
    },
    stop: () => bus.disconnect(),
  }
  const answer = (message: Message): unknown => {
    const text: unknown = JSON.parse(String(message.body[0]))
    system.calls.push({ method: message.member, mayAsk: (message.flags & ALLOW_INTERACTIVE) !== 0, request: text })
    switch (message.member) {
      case 'Suspend':
        return system.refuse === null ? { ok: true, value: suspend(systemRequests.Suspend.request.parse(text)) } : { ok: false, error: system.refuse }
      case 'Resume':
        return { ok: true, value: resume(systemRequests.Resume.request.parse(text)) }
      case 'Held':
        return { ok: true, value: { suspended: [...held.values()], guard: { running: true, pid: process.pid, pssBytes: { value: 1_000_000 }, runs: 0, agents: held.size, words }, limits: [], suspend: can, limit: { how: null, text: 'no memory controller' } } satisfies SystemResponse<'Held'> }
      default:
        return { ok: false, error: { code: 'not-supported', message: 'not here' } }
    }
  }
  bus.addMethodHandler((message: Message) => {
    if (message.path !== SYSTEM_OBJECT_PATH) return false
    bus.send(Message.newMethodReturn(message, 's', [JSON.stringify(answer(message))]))
    return true
  })
  await bus.requestName(SYSTEM_BUS_NAME, 0)
  return system
}
