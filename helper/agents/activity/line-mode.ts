import { execFile } from 'node:child_process'

/** Whether a terminal hands over keys as they are typed (raw), as every prompt of an agent wants them. */
export interface TerminalModes {
  /** `path` opens the terminal of the process `key`. True once it was ever raw; null where it cannot be told. */
  readonly isRaw: (key: string, path: string, nowMs: number) => Promise<boolean | null>
  readonly keep: (keys: ReadonlySet<string>) => void
}

/** A terminal in line mode may belong to an agent that has not drawn its prompt yet: it is looked at again. */
const AGAIN_MS = 30_000
const STTY_LIMIT_MS = 2_000

/** Opens the terminal without waiting and without reading. */
const readMode = (path: string): Promise<boolean | null> =>
  new Promise((resolve) => {
    execFile('stty', ['-F', path, '-a'], { timeout: STTY_LIMIT_MS, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } }, (error, stdout) => {
      const flag = error === null ? /(?:^|[\s;])(-?)icanon\b/u.exec(stdout) : null
      resolve(flag === null ? null : flag[1] === '-')
    })
  })

/** Node cannot ask for a terminal's mode: stty does, once for an agent at its prompt. */
export const createTerminalModes = (read: (path: string) => Promise<boolean | null> = readMode): TerminalModes => {
  const known = new Map<string, { readonly raw: boolean | null; readonly atMs: number }>()
  return {
    isRaw: async (key, path, nowMs) => {
      const before = known.get(key)
      if (before !== undefined && (before.raw === true || nowMs - before.atMs < AGAIN_MS)) return before.raw
      const raw = await read(path)
      known.set(key, { raw, atMs: nowMs })
      return raw
    },
    keep: (keys) => {
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
    },
  }
}
