import { existsSync } from 'node:fs'
import { promises as timers } from 'node:timers'
import { change, type MachineAccess, type StepContext } from '../../change/context.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { under } from '../../observe/files.ts'
import { readSwaps } from '../../observe/swaps.ts'
import { readZram } from '../../observe/zram.ts'
import { zramFolder, zramOfNode } from './files.ts'

const deviceOf = (root: string, name: string) => readZram(root).find((device) => device.name === name)

/** The number the kernel will give the next device: its lowest free one. */
const nextNumber = (root: string): number => {
  const taken = new Set(readZram(root).map((device) => device.name))
  for (let n = 0; ; n += 1) if (!taken.has(`zram${n}`)) return n
}

/** Algorithm (the first that holds) and size of a device; its journal line is there already. */
const fill = async (access: MachineAccess, name: string, algorithms: readonly string[], sizeBytes: number): Promise<Result<string>> => {
  const { kernel, checkpoint } = access
  let kept: string | null = null
  for (const algorithm of algorithms) {
    const written = await kernel.write(`${zramFolder(name)}/comp_algorithm`, algorithm)
    checkpoint(`write ${name} comp_algorithm`)
    const now = kernel.read(`${zramFolder(name)}/comp_algorithm`)
    if (written.ok && now.value === algorithm) {
      kept = algorithm
      break
    }
  }
  if (kept === null) return fail('read-back-differs', `/dev/${name} took none of ${algorithms.join(', ')}.`, { about: `/dev/${name}`, expected: algorithms.join(', '), got: kernel.read(`${zramFolder(name)}/comp_algorithm`).value ?? 'nothing' })
  const sized = await kernel.write(`${zramFolder(name)}/disksize`, String(sizeBytes))
  if (!sized.ok) return sized
  checkpoint(`write ${name} disksize`)
  const now = kernel.read(`${zramFolder(name)}/disksize`)
  checkpoint(`read back ${name} disksize`)
  if (now.value !== String(sizeBytes)) return fail('read-back-differs', `/dev/${name} should hold ${sizeBytes} bytes and holds ${now.value ?? 'an unknown size'}.`, { about: `/dev/${name}`, expected: String(sizeBytes), got: now.value ?? now.reason })
  return ok(kept)
}

/** zram-init; the journal line `zram-reset` says the algorithm to go back to, or none for a device that is to be removed. */
export const zramInit = async (context: StepContext, device: string, algorithms: readonly string[], sizeBytes: number): Promise<Result<string>> => {
  const isNew = device === 'new'
  const name = isNew ? `zram${nextNumber(context.root)}` : device
  const present = deviceOf(context.root, name)
  if (!isNew && (present === undefined || present.diskSizeBytes !== 0)) {
    return fail('plan-changed', `/dev/${name} is not unused any more.`, { about: `/dev/${name}`, expected: 'size 0', got: present === undefined ? 'no such device' : String(present.diskSizeBytes) })
  }
  // The kernel gives the lowest free number, so the line can be written before the device is there.
  const line = context.journal.append({ undoClass: 'when-it-fits', verb: 'zram-reset', target: `/dev/${name}`, old: present === undefined ? null : present.algorithm, new: String(sizeBytes) })
  if (!line.ok) return line
  context.checkpoint(`journal ${name}`)
  if (isNew) {
    const added = await context.tools.zramAdd()
    if (!added.ok) return added
    context.checkpoint(`add ${name}`)
    if (`zram${added.value}` !== name) {
      await context.kernel.write('/sys/class/zram-control/hot_remove', String(added.value))
      return fail('plan-changed', 'Somebody else made a zram device in the same moment.', { expected: name, got: `zram${added.value}`, advice: 'Try again.' })
    }
  }
  context.zramNode = `/dev/${name}`
  const filled = await fill(context, name, algorithms, sizeBytes)
  return filled.ok ? ok(`/dev/${name}, ${filled.value}`) : filled
}

/** udev looks into a block device for a moment whenever it changes; until then the kernel says it is in use. */
const BUSY_TRIES = 30
const BUSY_WAIT_MS = 100

const inUse = (root: string, node: string): boolean => readSwaps(root).some((swap) => swap.path === node)
const stillHolds = (node: string) => fail('does-not-fit', `${node} still holds swapped pages.`, { about: node })

const writeWhenFree = async (access: MachineAccess, node: string, path: string, value: string): Promise<Result<null>> => {
  for (let tried = 1; ; tried += 1) {
    const written = await access.kernel.write(path, value)
    if (written.ok || written.error.got !== 'EBUSY' || tried === BUSY_TRIES) return written
    // A swapon that was under way when the helper was killed may end only now: the next pass empties it first.
    if (inUse(access.root, node)) return stillHolds(node)
    await timers.setTimeout(BUSY_WAIT_MS)
  }
}

/** Back to unused with `algorithm`, or gone altogether where `algorithm` is null. The caller saw that it holds no swap. */
export const zramReset = async (access: MachineAccess, node: string, algorithm: string | null): Promise<Result<null>> => {
  const name = zramOfNode(node)
  if (name === null) return fail('write-refused', `${node} is no zram device.`, { about: node })
  if (inUse(access.root, node)) return stillHolds(node)
  const device = deviceOf(access.root, name)
  if (device === undefined) return ok(null)
  if (device.diskSizeBytes !== 0) {
    const reset = await writeWhenFree(access, node, `${zramFolder(name)}/reset`, '1')
    if (!reset.ok) return reset
    access.checkpoint(`reset ${name}`)
  }
  if (algorithm === null) {
    const removed = await writeWhenFree(access, node, '/sys/class/zram-control/hot_remove', name.slice('zram'.length))
    access.checkpoint(`remove ${name}`)
    return removed
  }
  // Resetting brings back the kernel's default, which need not be what was set before.
  if (access.kernel.read(`${zramFolder(name)}/comp_algorithm`).value !== algorithm) {
    const back = await access.kernel.write(`${zramFolder(name)}/comp_algorithm`, algorithm)
    access.checkpoint(`write back ${name} comp_algorithm`)
    return back
  }
  return ok(null)
}

/** Makes a device of ours again after it was reset or removed: undo of swap-off. */
export const zramAgain = async (access: MachineAccess, node: string, algorithm: string, sizeBytes: number): Promise<Result<null>> => {
  const name = zramOfNode(node)
  if (name === null) return fail('write-refused', `${node} is no zram device.`, { about: node })
  if (deviceOf(access.root, name) === undefined) {
    const added = await access.tools.zramAdd()
    if (!added.ok) return added
    if (`zram${added.value}` !== name) {
      await access.kernel.write('/sys/class/zram-control/hot_remove', String(added.value))
      return fail('write-refused', `${node} could not be made again: the kernel gives another number.`, { about: node, expected: name, got: `zram${added.value}` })
    }
  }
  const device = deviceOf(access.root, name)
  if (device?.diskSizeBytes === 0) {
    const filled = await fill(access, name, [algorithm], sizeBytes)
    if (!filled.ok) return filled
  }
  return existsSync(under(access.root, node)) ? access.tools.makeSwap(node) : fail('not-supported', `${node} is not there.`, { about: node })
}

/** A parameter with several acceptable values: each is journaled, written and read back; the first that holds stays. */
export const firstKept = async (context: StepContext, path: string, values: readonly string[]): Promise<Result<{ value: string; kept: boolean }>> => {
  for (const value of values) {
    const result = await change(context, path, value)
    if (result.ok) return ok({ value, kept: true })
    if (result.error.code !== 'read-back-differs' && result.error.code !== 'write-refused') return result
  }
  return ok({ value: context.kernel.read(path).value ?? '', kept: false })
}
