import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A process to be written into a made-up root. */
export interface MadeProcess {
  readonly pid: number
  readonly parent?: number
  readonly exe?: string
  readonly argv?: readonly string[]
  readonly cwd?: string
  readonly comm?: string
  readonly state?: string
  readonly cpuTicks?: number
  readonly endedChildrenTicks?: number
  readonly startTicks?: number
  readonly uid?: number
  readonly pssKib?: number
  readonly swapPssKib?: number
  readonly environment?: readonly string[]
}

export interface MadeRoot {
  readonly root: string
  readonly put: (path: string, text: string) => void
  /** Writes or changes processes. */
  readonly run: (...processes: readonly MadeProcess[]) => void
  readonly end: (...pids: readonly number[]) => void
  readonly remove: () => void
}

/** A root folder with an empty machine in it; processes are added as a test needs them. */
export const makeRoot = (): MadeRoot => {
  const root = mkdtempSync(join(tmpdir(), 'agentmem-root-'))
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  put('/proc/meminfo', 'MemTotal: 16000000 kB\nMemFree: 8000000 kB\nMemAvailable: 9000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n')
  put('/proc/uptime', '10000.00 100.00\n')
  put('/proc/sys/kernel/random/boot_id', '00000000-1111-4222-8333-444444444444\n')
  put('/proc/sys/kernel/osrelease', '6.12.9-amd64\n')
  return {
    root,
    put,
    run: (...processes) => {
      for (const made of processes) {
        const { pid, parent = 1, argv = [], cwd = '/home/dev/project', state = 'S', cpuTicks = 0, endedChildrenTicks = 0, startTicks = 500_000, uid = 1000 } = made
        const comm = made.comm ?? (made.exe ?? argv[0] ?? 'x').split('/').at(-1)?.slice(0, 15) ?? 'x'
        put(`/proc/${pid}/stat`, `${pid} (${comm}) ${state} ${parent} 1 1 0 -1 4194304 0 0 0 0 ${cpuTicks} 0 ${endedChildrenTicks} 0 20 0 1 0 ${startTicks} 0 0 ${'0 '.repeat(23)}${argv.join('').length} 0 0 0 0\n`)
        put(`/proc/${pid}/cmdline`, argv.length === 0 ? '' : `${argv.join('\0')}\0`)
        put(`/proc/${pid}/status`, `Name:\tx\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`)
        put(`/proc/${pid}/cwd`, cwd)
        put(`/proc/${pid}/cgroup`, '0::/\n')
        if (made.exe !== undefined) put(`/proc/${pid}/exe`, made.exe)
        if (made.environment !== undefined) put(`/proc/${pid}/environ`, `${made.environment.join('\0')}\0`)
        if (made.pssKib !== undefined) put(`/proc/${pid}/smaps_rollup`, `Rss: ${made.pssKib} kB\nPss: ${made.pssKib} kB\nPss_Anon: ${made.pssKib} kB\nPss_File: 0 kB\nPss_Shmem: 0 kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: ${made.pssKib} kB\nSwapPss: ${made.swapPssKib ?? 0} kB\n`)
      }
    },
    end: (...pids) => {
      for (const pid of pids) rmSync(join(root, `/proc/${pid}`), { recursive: true, force: true })
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}
