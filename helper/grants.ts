import { closeSync, constants, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { polkitActionSchema, type PolkitAction } from './contract/requests.ts'

/** A caller whom polkit allowed something, as the bus daemon names it. */
export interface Grantee {
  readonly sender: string
  readonly uid: number
  readonly pid: number
}

/**
 * Answers "yes" that count for as long as the caller stays on the bus. Kept in
 * a file of root's, since the helper ends when nobody calls, and the policy
 * goes on acting in the background afterwards. A bus never gives a unique name
 * twice; another bus (told by its id) may.
 */
export interface Grants {
  has(caller: Grantee, action: PolkitAction): boolean
  add(caller: Grantee, action: PolkitAction): void
  forget(sender: string): void
}

const grantSchema = z.strictObject({ sender: z.string(), uid: z.int(), pid: z.int(), actions: z.array(polkitActionSchema) })
const fileSchema = z.strictObject({ version: z.literal(1), busId: z.string(), grants: z.array(grantSchema) })
type Grant = z.infer<typeof grantSchema>

/** Callers that left while no helper ran are not heard of: the oldest go. */
const MOST_GRANTS = 64

const load = (path: string, busId: string): Grant[] => {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const found = fileSchema.safeParse(JSON.parse(readFileSync(fd, 'utf8')))
      return found.success && found.data.busId === busId ? found.data.grants : []
    } finally {
      closeSync(fd)
    }
  } catch {
    return [] // none yet, or damaged: polkit is asked again
  }
}

/** `path` null keeps them in memory alone. */
export const createGrants = (path: string | null, busId: string): Grants => {
  let grants = path === null ? [] : load(path, busId)

  const save = (): void => {
    if (path === null) return
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
      const fd = openSync(`${path}.new`, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600)
      try {
        writeSync(fd, JSON.stringify({ version: 1, busId, grants }))
      } finally {
        closeSync(fd)
      }
      renameSync(`${path}.new`, path)
    } catch (error) {
      // Costs a second password, nothing else.
      console.error(`permissions are not kept: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const isSame = (grant: Grant, caller: Grantee): boolean => grant.sender === caller.sender && grant.uid === caller.uid && grant.pid === caller.pid

  return {
    has: (caller, action) => grants.some((grant) => isSame(grant, caller) && grant.actions.includes(action)),
    add: (caller, action) => {
      const old = grants.find((grant) => isSame(grant, caller))
      if (old?.actions.includes(action) === true) return
      const actions = [...(old?.actions ?? []), action]
      grants = [...grants.filter((grant) => grant.sender !== caller.sender), { sender: caller.sender, uid: caller.uid, pid: caller.pid, actions }].slice(-MOST_GRANTS)
      save()
    },
    forget: (sender) => {
      if (!grants.some((grant) => grant.sender === sender)) return
      grants = grants.filter((grant) => grant.sender !== sender)
      save()
    },
  }
}
