import { existsSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Message, sessionBus, Variant } from 'dbus-next'
import { plainAddresses } from '../../helper/contract/bus-address.ts'

const MANAGER = { destination: 'org.freedesktop.systemd1', path: '/org/freedesktop/systemd1', interface: 'org.freedesktop.systemd1.Manager' }

/** Field 22 of /proc/self/stat; the name before it may hold spaces and brackets. */
const ownStartTicks = (): string => {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

const ownGroup = (): string => /^0::(.*)$/mu.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? ''

/**
 * Whether this process may be put below the user's systemd: what it starts
 * would end with it, so only where it is below it already, or where it goes on
 * after the last session.
 */
const mayMove = (): boolean => {
  const { uid, username } = userInfo()
  return ownGroup().includes(`/user@${uid}.service/`) || existsSync(`/var/lib/systemd/linger/${username}`)
}

/**
 * Puts this process into a scope of its own, by the user's systemd and without
 * root. The name is the one it would get from the helper, and stays right for
 * the program that takes this process over, with its number and its start.
 * False where there is no such systemd; nothing has changed then.
 */
export const enterOwnScope = async (title: string): Promise<boolean> => {
  const address = process.env['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=${process.env['XDG_RUNTIME_DIR'] ?? ''}/bus`
  const [first] = plainAddresses(address)
  if (!existsSync('/run/systemd/system') || first === undefined || !mayMove()) return false
  const name = `agent-${process.pid}-${ownStartTicks()}.scope`
  const bus = sessionBus({ busAddress: first })
  try {
    await new Promise<void>((resolve, reject) => {
      bus.once('connect', resolve)
      bus.once('error', reject)
    })
    const properties = [
      ['PIDs', new Variant('au', [process.pid])],
      ['Slice', new Variant('s', 'app-agents.slice')],
      ['Description', new Variant('s', `Agent: ${title}`)],
      // Memory alone: delegating all would turn on cpuset and io in every group above.
      ['DelegateControllers', new Variant('as', ['memory'])],
      ['MemoryAccounting', new Variant('b', true)],
      ['OOMPolicy', new Variant('s', 'continue')],
      ['CollectMode', new Variant('s', 'inactive-or-failed')],
    ]
    await bus.call(new Message({ ...MANAGER, member: 'StartTransientUnit', signature: 'ssa(sv)a(sa(sv))', body: [name, 'fail', properties, []] }))
    for (let waits = 0; waits < 100; waits += 1) {
      if (ownGroup().endsWith(`/${name}`)) return true
      await sleep(20)
    }
    return false
  } catch {
    return false // no manager, or one that refuses: the command starts where it is
  } finally {
    bus.disconnect()
  }
}
