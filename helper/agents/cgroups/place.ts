import { existsSync, mkdirSync } from 'node:fs'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { UndoLine } from '../../contract/runs.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import { readText, under } from '../../observe/files.ts'
import { createJournal, listJournals, moveJournal, newJournalId, readJournal, type JournalHeader } from '../../change/journal.ts'
import { movedText, undoMove } from '../../change/undo-cgroup.ts'
import type { KernelFiles } from '../../change/write.ts'
import { chargedShare } from './charged.ts'
import { agentFolderName, agentPartOf, isFolder, movePid, pidsBelow, pidsIn } from './folders.ts'
import { cgroupPathOf, folderOf, type CgroupPlaces } from './layout.ts'
import { liveTree } from './tree.ts'
import type { Way } from './way.ts'

/** What keeps an agent in its cgroup; it is put back when the last of these is over. */
export type Use = 'suspend' | 'limit' | 'own'

export interface Placed {
  /** Folder of the agent's cgroup; it is frozen here, whatever leaves are below. */
  readonly cgroup: string
  /** Memory of the agent is charged elsewhere, to where it was before: figures and reclaim of this cgroup miss it. */
  readonly partial: boolean
}

export interface Placer {
  readonly how: Way['how']
  /** Moves an agent's whole tree into a cgroup of its own; one that is in it already is left there. `tools` are pids for the leaf whose bursts are bounded. */
  place(agent: Pick<AgentTarget, 'id' | 'title' | 'processes'>, uid: number, use?: Use, tools?: ReadonlySet<number>): Promise<Result<Placed>>
  /** One use is over. After the last one everything goes back to where it was and the cgroup goes; a frozen one is left. */
  unplace(agentId: string, use: Use): Promise<UndoLine[]>
  /** The agent's cgroup, if it is in one of its own. */
  find(agentId: string): string | null
  /** Puts back all that a journal names, also of a helper before this one. */
  unplaceAll(): Promise<UndoLine[]>
  readonly way: Way
}

export interface PlacerDeps {
  readonly root: string
  readonly kernel: KernelFiles
  readonly places: CgroupPlaces
  readonly way: Way
  /** Folder of the small journals: $STATE/journal/agents. */
  readonly journalFolder: string
  readonly role: JournalHeader['role']
  readonly bootId: () => string
  readonly nowMs?: () => number
}

const MOST_PASSES = 10

const topOf = (agentId: string): ProcessRef => {
  const [, pid, ticks] = agentId.split(':')
  return { pid: Number(pid), startTimeTicks: Number(ticks) }
}

export const createPlacer = (deps: PlacerDeps): Placer => {
  const { root, kernel, places, way, journalFolder, role, bootId, nowMs = Date.now } = deps
  const uses = new Map<string, Set<Use>>()

  const pathsOf = (refs: readonly ProcessRef[]): Map<string, ProcessRef[]> => {
    const found = new Map<string, ProcessRef[]>()
    for (const ref of refs) {
      const path = cgroupPathOf(root, ref.pid)
      if (path !== null) found.set(path, [...(found.get(path) ?? []), ref])
    }
    return found
  }

  /** The cgroup that all of the tree is in already, if it is this agent's own. */
  const ownFolder = (agentId: string, paths: Iterable<string>): string | null => {
    const name = agentFolderName(topOf(agentId))
    const parts = new Set([...paths].map((path) => {
      const part = agentPartOf(path)
      return part !== null && part.path.replace(/\.scope$/u, '').endsWith(`/${name}`) ? part.path : null
    }))
    const [only] = parts
    return parts.size === 1 && only !== null && only !== undefined ? folderOf(places.mount, only) : null
  }

  /** Oldest first; where nothing was ever moved there is no folder. */
  const openJournals = (): string[] => (existsSync(journalFolder) ? listJournals(journalFolder, 'open') : [])

  /** Open journals of this boot that moved something into `folder`, newest first. */
  const journalsOf = (folder: string): string[] =>
    openJournals().filter((id) => {
      const journal = readJournal(journalFolder, id, 'open')
      return journal.ok && journal.value.header.bootId === bootId() && journal.value.records.some((record) => record.verb === 'move' && record.target === folder)
    }).toReversed()

  const putBack = async (ids: readonly string[]): Promise<UndoLine[]> => {
    const lines: UndoLine[] = []
    for (const id of ids) {
      const journal = readJournal(journalFolder, id, 'open')
      if (!journal.ok) continue
      const moves = journal.value.records.filter((record) => record.verb === 'move')
      const sameBoot = journal.value.header.bootId === bootId()
      const own: UndoLine[] = []
      for (const [back, record] of moves.toReversed().entries()) {
        const earlier = moves.slice(0, moves.length - 1 - back)
        own.push({ target: record.target, old: record.old, ...(sameBoot ? await undoMove({ root, kernel, checkpoint: () => undefined }, record, earlier) : { found: null, outcome: 'already-so' as const, reason: 'The machine was restarted since.' }) })
      }
      if (own.every((line) => line.outcome !== 'failed')) moveJournal(journalFolder, id, 'open', 'undone')
      lines.push(...own)
    }
    return lines
  }

  /** Into leaves, where memory can be handed down to them: a group that hands down holds no process itself. */
  const makeLeaves = async (folder: string, tools: ReadonlySet<number>): Promise<Result<null>> => {
    if (!(readText(under(root, `${folder}/cgroup.controllers`)).value ?? '').split(/\s+/u).includes('memory')) return ok(null)
    for (const leaf of ['main', 'tools']) {
      const made = kernel.makeGroup(`${folder}/${leaf}`)
      if (!made.ok) return made
    }
    for (let pass = 0; pass < MOST_PASSES; pass += 1) {
      const pids = pidsIn(root, folder)
      for (const pid of pids) {
        const moved = await movePid(kernel, `${folder}/${tools.has(pid) ? 'tools' : 'main'}`, pid)
        if (!moved.ok) return moved
      }
      if (pids.length === 0) return kernel.write(`${folder}/cgroup.subtree_control`, '+memory')
    }
    return fail('write-refused', 'Its processes are born faster than they can be moved.', { about: folder })
  }

  const move = async (agent: Pick<AgentTarget, 'id' | 'title' | 'processes'>, uid: number, folder: string, tools: ReadonlySet<number>): Promise<Result<null>> => {
    mkdirSync(journalFolder, { recursive: true, mode: 0o700 })
    const id = newJournalId(nowMs())
    const journal = createJournal(journalFolder, { bootId: bootId(), runId: id, role })
    if (!journal.ok) return journal
    const abandon = async (error: Result<never>): Promise<Result<null>> => {
      journal.value.close()
      await putBack([id])
      return error
    }
    let opened = isFolder(root, folder) && pidsBelow(root, folder).length > 0
    for (let pass = 0; pass < MOST_PASSES; pass += 1) {
      const tree = liveTree(root, uid, agent.processes)
      if (!tree.ok) return abandon(tree)
      const outside = [...pathsOf(tree.value)].filter(([path]) => !`${folderOf(places.mount, path)}/`.startsWith(`${folder}/`))
      if (outside.length === 0) {
        const leaves = await makeLeaves(folder, tools)
        if (!leaves.ok) return abandon(leaves)
        journal.value.close()
        return ok(null)
      }
      for (const [path, refs] of outside) {
        const why = way.refuses(path, uid)
        if (why !== null) return abandon(fail('not-supported', `${agent.title} cannot be given a control group of its own: ${why}.`, { about: path, advice: 'Start it with agentmemctl run.' }))
        const line = journal.value.append({ undoClass: 'when-it-fits', verb: 'move', target: folder, old: folderOf(places.mount, path), new: movedText(refs) })
        if (!line.ok) return abandon(line)
      }
      const refs = outside.flatMap(([, found]) => found)
      if (opened) {
        const into = isFolder(root, `${folder}/main`) ? `${folder}/main` : folder
        for (const ref of refs) {
          const taken = await way.take(into, ref.pid)
          if (!taken.ok && liveTree(root, uid, [ref]).ok) return abandon(taken)
        }
      } else {
        const made = await way.open(topOf(agent.id), uid, agent.title, refs)
        // One of them may have ended on the way: look again who is there.
        if (!made.ok && refs.every((ref) => liveTree(root, uid, [ref]).ok)) return abandon(made)
        opened = made.ok
      }
    }
    return abandon(fail('busy', `${agent.title} starts processes faster than they can be moved.`, { advice: 'Try again when it is quiet.' }))
  }

  const find: Placer['find'] = (agentId) => {
    const path = cgroupPathOf(root, topOf(agentId).pid)
    return path === null ? null : ownFolder(agentId, [path])
  }

  /** Seen in the cgroup itself, so that a helper that has forgotten does not take it from another. */
  const isFrozen = (folder: string): boolean => readText(under(root, `${folder}/cgroup.freeze`)).value?.trim() === '1'

  return {
    how: way.how,
    way,
    find,
    place: async (agent, uid, use = 'suspend', tools = new Set()) => {
      const tree = liveTree(root, uid, agent.processes)
      if (!tree.ok) return tree
      const own = ownFolder(agent.id, pathsOf(tree.value).keys())
      const folder = own ?? way.folderFor(topOf(agent.id), uid)
      if (own === null) {
        const moved = await move(agent, uid, folder, tools)
        if (!moved.ok) return moved
      } else if (use === 'limit' && !isFolder(root, `${own}/tools`)) {
        // Started in a scope of its own, which has no leaves yet.
        const leaves = await makeLeaves(own, tools)
        if (!leaves.ok) return leaves
      }
      uses.set(agent.id, new Set([...(uses.get(agent.id) ?? []), use]))
      return ok({ cgroup: folder, partial: own === null || journalsOf(folder).length > 0 || !chargedShare(root, folder, pidsBelow(root, folder)) })
    },
    unplace: async (agentId, use) => {
      const left = uses.get(agentId)
      left?.delete(use)
      if (left !== undefined && left.size > 0) return []
      uses.delete(agentId)
      const folder = find(agentId) ?? journaledFolder(agentId)
      return folder === null || isFrozen(folder) ? [] : putBack(journalsOf(folder))
    },
    unplaceAll: async () => {
      uses.clear()
      return putBack(openJournals().toReversed().filter((id) => {
        const journal = readJournal(journalFolder, id, 'open')
        return journal.ok && journal.value.records.some((record) => record.verb === 'move')
      }))
    },
  }

  /** The cgroup of an agent whose top process has ended, from the journals. */
  function journaledFolder(agentId: string): string | null {
    const name = agentFolderName(topOf(agentId))
    for (const id of openJournals()) {
      const journal = readJournal(journalFolder, id, 'open')
      const record = journal.ok ? journal.value.records.find((one) => one.verb === 'move' && one.target.replace(/\.scope$/u, '').endsWith(`/${name}`)) : undefined
      if (record !== undefined) return record.target
    }
    return null
  }
}
