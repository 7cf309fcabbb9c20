import { readText, under } from '../../observe/files.ts'
import type { KernelFiles } from '../../change/write.ts'
import { readHealth } from './health.ts'
import { reclaimGroup } from './reclaim.ts'

/** Tools are this far above their bound before they are stopped: throttling by memory.high comes first. */
const BEYOND = 1.25
/** Never stopped for longer than this, and never again before so long after. */
const MOST_FROZEN_MS = 20_000
const REST_MS = 10_000

/** Somebody who thaws should this program die. */
export interface Hold {
  readonly frozen: () => Promise<void>
  readonly release: () => Promise<void>
}

export interface BurstDeps {
  readonly root: string
  readonly kernel: KernelFiles
  /** The agent's cgroup; its `tools` leaf is what is watched. */
  readonly folder: string
  readonly highBytes: number
  /** Before freezing: journaled, and the guard stands for it. null: then it is not frozen. */
  readonly hold: (file: string) => Promise<Hold | null>
  readonly nowMs: () => number
  readonly say: (text: string) => void
}

export interface Burst {
  /** Looks, and freezes or thaws the tools. */
  step(): Promise<void>
  frozen(): boolean
  thaw(): Promise<void>
}

/**
 * Bounds a burst of an agent's tools: first they are slowed down by their
 * memory.high, then frozen and paged out until they fit. None is ended, and
 * none stays frozen: for twenty seconds at most, then they run for ten.
 */
export const watchBurst = ({ root, kernel, folder, highBytes, hold, nowMs, say }: BurstDeps): Burst => {
  const tools = `${folder}/tools`
  const file = `${tools}/cgroup.freeze`
  let frozenAtMs: number | null = null
  let held: Hold | null = null
  let thawedAtMs = -REST_MS

  const thaw = async (): Promise<void> => {
    if (frozenAtMs === null) return
    const written = await kernel.write(file, '0')
    // A folder that is gone froze nobody.
    if (!written.ok && readText(under(root, file), 'vanished').value !== null) {
      say(`its tools could not be thawed: ${written.error.message}`)
      return
    }
    frozenAtMs = null
    thawedAtMs = nowMs()
    await held?.release()
    held = null
  }

  return {
    frozen: () => frozenAtMs !== null,
    thaw,
    step: async () => {
      const health = readHealth(root, tools)
      if (health === null) return
      const beyond = health.currentBytes > highBytes * BEYOND
      if (frozenAtMs === null) {
        if (!beyond || nowMs() - thawedAtMs < REST_MS) return
        held = await hold(file)
        if (held === null) return
        frozenAtMs = nowMs()
        const written = await kernel.write(file, '1')
        if (!written.ok) {
          frozenAtMs = null
          await held.release()
          return
        }
        await held.frozen()
        say(`its tools use ${Math.round(health.currentBytes / 1048576)} of ${Math.round(highBytes / 1048576)} MiB and were stopped for a moment`)
      }
      if (beyond) await reclaimGroup({ root, kernel, folder: tools, target: { bytes: health.currentBytes - highBytes }, swappiness: 'max' })
      const now = readHealth(root, tools)
      if (now === null || now.currentBytes <= highBytes * BEYOND || nowMs() - frozenAtMs >= MOST_FROZEN_MS) await thaw()
    },
  }
}
