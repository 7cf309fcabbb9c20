import { Variant } from 'dbus-next'
import type { BusClient } from '../../bus.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'

const MANAGER = { destination: 'org.freedesktop.systemd1', path: '/org/freedesktop/systemd1', interface: 'org.freedesktop.systemd1.Manager' }

/** A value of a unit's property that may be changed while it runs; bytes as numbers of 64 bits, "max" as all ones. */
export type MemoryProperty = 'MemoryLow' | 'MemoryHigh' | 'MemoryMax' | 'MemorySwapMax' | 'MemoryZSwapMax'

const NO_LIMIT = 0xffff_ffff_ffff_ffffn

export interface ScopeOptions {
  readonly name: string
  readonly slice: string
  readonly description: string
  readonly pids: readonly number[]
}

/** A systemd manager over its bus: the user's on the session bus, the machine's on the system bus. */
export interface Systemd {
  /** "/user.slice/user-1000.slice/user@1000.service" of a user's manager, "" of the machine's; fails where there is none. */
  controlGroup(): Promise<Result<string>>
  /** Asks for a scope with these processes in it. Systemd moves them while it answers; the caller looks where they are. */
  startScope(options: ScopeOptions): Promise<Result<null>>
  /** Moves processes into a delegated unit of this manager; `below` is "" or "/main". */
  attach(unit: string, below: string, pids: readonly number[]): Promise<Result<null>>
  /** The cgroup of a running unit; null where there is none. */
  unitControlGroup(unit: string): Promise<string | null>
  /** Until the unit ends or systemd restarts; null takes a limit away, for MemoryLow the protection. */
  setMemory(unit: string, values: Partial<Record<MemoryProperty, number | null>>): Promise<Result<null>>
  /** Starts a slice, so that it is there to be limited. */
  startUnit(unit: string): Promise<Result<null>>
  stopUnit(unit: string): Promise<Result<null>>
  /** Forgets settings made at run time. */
  revertUnit(unit: string): Promise<Result<null>>
}

const unitPath = (unit: string): string =>
  `/org/freedesktop/systemd1/unit/${[...Buffer.from(unit)].map((byte, index) => (/[A-Za-z]/u.test(String.fromCodePoint(byte)) || (index > 0 && /\d/u.test(String.fromCodePoint(byte))) ? String.fromCodePoint(byte) : `_${byte.toString(16).padStart(2, '0')}`)).join('')}`

const typeOf = (unit: string): string => (unit.endsWith('.slice') ? 'Slice' : unit.endsWith('.scope') ? 'Scope' : 'Service')

const explain = (what: string, result: Result<unknown[]>): Result<null> =>
  result.ok ? ok(null) : fail('write-refused', `systemd did not ${what}: ${result.error.message}`, { got: result.error.got ?? result.error.message })

export const createSystemd = (bus: BusClient): Systemd => {
  const call = (member: string, signature: string, body: unknown[]) => bus.call({ ...MANAGER, member }, signature, body)
  const property = (path: string, interfaceName: string, name: string) =>
    bus.call({ destination: MANAGER.destination, path, interface: 'org.freedesktop.DBus.Properties', member: 'Get' }, 'ss', [interfaceName, name])
  const textOf = (result: Result<unknown[]>): string | null => {
    const value = result.ok ? result.value[0] : null
    return value instanceof Variant && typeof value.value === 'string' ? value.value : null
  }
  return {
    controlGroup: async () => {
      const answer = await property(MANAGER.path, MANAGER.interface, 'ControlGroup')
      if (!answer.ok) return fail('not-supported', `No systemd answers on the bus: ${answer.error.message}`, { advice: 'Log in with a session of systemd, or install the helper.' })
      return ok(textOf(answer) ?? '')
    },
    startScope: async ({ name, slice, description, pids }) => {
      const properties = [
        ['PIDs', new Variant('au', [...pids])],
        ['Slice', new Variant('s', slice)],
        ['Description', new Variant('s', description)],
        // Memory alone: delegating all would turn on cpuset and io in every group above.
        ['DelegateControllers', new Variant('as', ['memory'])],
        ['MemoryAccounting', new Variant('b', true)],
        // A limit that ends one process is bad enough: the rest is not ended with it.
        ['OOMPolicy', new Variant('s', 'continue')],
        ['CollectMode', new Variant('s', 'inactive-or-failed')],
      ]
      return explain(`make ${name}`, await call('StartTransientUnit', 'ssa(sv)a(sa(sv))', [name, 'fail', properties, []]))
    },
    attach: async (unit, below, pids) => explain(`move processes into ${unit}`, await call('AttachProcessesToUnit', 'ssau', [unit, below, [...pids]])),
    unitControlGroup: async (unit) => {
      const found = textOf(await property(unitPath(unit), `org.freedesktop.systemd1.${typeOf(unit)}`, 'ControlGroup'))
      return found === '' ? null : found
    },
    setMemory: async (unit, values) => {
      const properties = Object.entries(values).map(([name, bytes]) => [name, new Variant('t', bytes === null ? (name === 'MemoryLow' ? 0n : NO_LIMIT) : BigInt(bytes))])
      return explain(`limit ${unit}`, await call('SetUnitProperties', 'sba(sv)', [unit, true, properties]))
    },
    startUnit: async (unit) => explain(`start ${unit}`, await call('StartUnit', 'ss', [unit, 'fail'])),
    stopUnit: async (unit) => explain(`stop ${unit}`, await call('StopUnit', 'ss', [unit, 'fail'])),
    revertUnit: async (unit) => explain(`revert ${unit}`, await call('RevertUnitFiles', 'as', [[unit]])),
  }
}
