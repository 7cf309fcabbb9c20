import { Variant } from 'dbus-next'
import type { BusClient } from './bus.ts'
import { fail, ok } from './contract/result.ts'
import type { Result } from './contract/errors.ts'
import type { PolkitAction } from './contract/requests.ts'
import { createGrants } from './grants.ts'
import type { Grants } from './grants.ts'

/** Who called, as the bus daemon (not the caller) says. */
export interface Caller {
  sender: string
  uid: number
  pid: number
}

export interface Authoriser {
  identify(sender: string): Promise<Result<Caller>>
  /**
   * May this caller do this? With `mayAsk` the user may be asked for a
   * password, which takes as long as it takes. The three refusals differ:
   * dismissed, obtainable, denied.
   */
  check(caller: Caller, action: PolkitAction, mayAsk: boolean): Promise<Result<null>>
  /** The caller has left: takes its open password dialogs away, and what was remembered of it. */
  forget(sender: string): void
}

const POLKIT = { destination: 'org.freedesktop.PolicyKit1', path: '/org/freedesktop/PolicyKit1/Authority', interface: 'org.freedesktop.PolicyKit1.Authority' }
const ALLOW_USER_INTERACTION = 1

/** What each action lets its holder do, for sentences: "You may not ...". */
const doing: Record<PolkitAction, string> = {
  'org.agentmem.look': 'look at memory figures through the helper',
  'org.agentmem.change-layers': 'change memory settings of this computer',
  'org.agentmem.reclaim': 'page out idle agents',
  'org.agentmem.drop-caches': "drop the kernel's caches",
  'org.agentmem.agents': 'limit, suspend or resume agents',
  'org.agentmem.trace': 'trace memory through the helper',
}

const numberOf = (credentials: unknown, key: string): number | null => {
  if (typeof credentials !== 'object' || credentials === null) return null
  const entry: unknown = Reflect.get(credentials, key)
  return entry instanceof Variant && typeof entry.value === 'number' ? entry.value : null
}

const isStringMap = (value: unknown): value is Record<string, string> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** polkit's reply, (bba{ss}): authorised, a password would do, details. */
const answerOf = (reply: unknown, action: PolkitAction, mayAsk: boolean): Result<null> => {
  const [authorised, challenge, details] = Array.isArray(reply) ? (reply as unknown[]) : []
  if (authorised === true) return ok(null)
  const about = { about: action }
  if (isStringMap(details) && 'polkit.dismissed' in details) {
    return fail('authorization-dismissed', 'The password dialog was closed. Nothing was changed.', about)
  }
  if (challenge === true) {
    return fail('authorization-obtainable', `A password is needed to ${doing[action]}.`, {
      ...about,
      advice: mayAsk
        ? 'No password dialog could be opened for this session. Over SSH, run "pkttyagent --process $$" in another terminal first, or use sudo.'
        : 'Try again and enter the password when asked.',
    })
  }
  return fail('authorization-denied', `You may not ${doing[action]}.`, { ...about, advice: `The administrator can allow it with a polkit rule for the action ${action}.` })
}

/** polkit's errors and those of a bus where nobody answers for it. */
const failureOf = (name: string, message: string, action: PolkitAction): Result<null> => {
  if (name === 'org.freedesktop.PolicyKit1.Error.Cancelled') {
    return fail('authorization-dismissed', 'The password dialog was closed. Nothing was changed.', { about: action })
  }
  const missing = /\.(ServiceUnknown|NameHasNoOwner|NoReply|Spawn\.[A-Za-z]+|Disconnected)$/u.test(name)
  return fail('authorization-denied', missing ? 'Nobody can say what you may do: polkit does not run on this computer.' : `polkit could not decide: ${message}`, {
    about: action,
    got: name,
    advice: missing ? 'Install it (sudo apt install polkitd) and try again.' : `Install the helper again if the action ${action} is not known to polkit.`,
  })
}

/**
 * Asked once for each connection: the session role acts by its policy while
 * nobody sits there to answer. A unique name is never given to another one.
 */
const REMEMBERED: ReadonlySet<PolkitAction> = new Set<PolkitAction>(['org.agentmem.agents'])

export const createAuthoriser = (bus: BusClient, grants: Grants = createGrants(null, '')): Authoriser => {
  let serial = 0
  /** Cancellation ids of dialogs that may be open, by caller. */
  const open = new Map<string, Set<string>>()

  const identify: Authoriser['identify'] = async (sender) => {
    const reply = await bus.call({ destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus', member: 'GetConnectionCredentials' }, 's', [sender])
    if (!reply.ok) return fail('authorization-denied', 'The caller left before it could be identified.', { got: reply.error.message })
    const uid = numberOf(reply.value[0], 'UnixUserID')
    const pid = numberOf(reply.value[0], 'ProcessID')
    if (uid === null || pid === null) return fail('authorization-denied', 'The message bus does not say who the caller is.', { expected: 'UnixUserID and ProcessID' })
    return ok({ sender, uid, pid })
  }

  const check: Authoriser['check'] = async (caller, action, mayAsk) => {
    if (grants.has(caller, action)) return ok(null)
    const answer = await ask(caller, action, mayAsk)
    if (answer.ok && REMEMBERED.has(action)) grants.add(caller, action)
    return answer
  }

  const ask: Authoriser['check'] = async (caller, action, mayAsk) => {
    const cancellation = mayAsk ? `agentmem-${process.pid}-${(serial += 1)}` : ''
    const dialogs = open.get(caller.sender) ?? new Set()
    if (mayAsk) open.set(caller.sender, dialogs.add(cancellation))
    try {
      const reply = await bus.call({ ...POLKIT, member: 'CheckAuthorization' }, '(sa{sv})sa{ss}us', [
        ['system-bus-name', { name: new Variant('s', caller.sender) }],
        action,
        {},
        mayAsk ? ALLOW_USER_INTERACTION : 0,
        cancellation,
      ])
      if (reply.ok) return answerOf(reply.value[0], action, mayAsk)
      // Root can write every one of these files itself: without polkit it is not locked out.
      if (caller.uid === 0) return ok(null)
      return failureOf(reply.error.got ?? '', reply.error.message, action)
    } finally {
      if (mayAsk && dialogs.delete(cancellation) && dialogs.size === 0) open.delete(caller.sender)
    }
  }

  const forget = (sender: string): void => {
    grants.forget(sender)
    for (const cancellation of open.get(sender) ?? []) void bus.call({ ...POLKIT, member: 'CancelCheckAuthorization' }, 's', [cancellation])
  }

  return { identify, check, forget }
}
