import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PresetSettings } from '../contract/presets.ts'
import { readProbe } from '../observe/probe.ts'
import { readSwaps } from '../observe/swaps.ts'
import { readZram } from '../observe/zram.ts'
import { zramPossible } from '../plan/zram.ts'
import { startChild, type ChildOptions } from './testing/start-child.ts'

/**
 * The same as kill.test.ts on this machine's own kernel files. Root only; one
 * such test at a time on a machine, so it holds a lock of its own.
 */
const LOCK = '/tmp/agentmem-kernel.lock'
const SWAP_PARENT = '/var/lib/agentmem'

const whyNot = (): string | null => {
  if (process.getuid?.() !== 0) return 'needs root'
  const probe = readProbe('/')
  if (probe.machine.ksm.value === null) return 'needs a kernel with KSM'
  if (spawnSync('/usr/bin/flock', ['--version']).status !== 0) return 'needs flock of util-linux'
  // A sandbox may show the files and refuse the writes.
  const mount = /^\S+ \/sys sysfs (\S+)/mu.exec(readFileSync('/proc/mounts', 'utf8'))?.[1]
  if (mount === undefined || !mount.split(',').includes('rw')) return 'needs /sys writable'
  return null
}

const reason = whyNot()
const probe = readProbe('/')
const zramReason = reason ?? (zramPossible(probe) ? null : 'needs a free zram device')
const zswapReason = reason ?? (probe.machine.zswap.value === null ? 'needs a kernel with zswap' : existsSync(SWAP_PARENT) ? `needs ${SWAP_PARENT} to be free` : probe.machine.swapDevices.length > 0 ? 'needs a machine without swap of its own' : null)

let stateDir = ''
let holder: ChildProcess | undefined

beforeAll(async () => {
  if (reason !== null) return
  stateDir = mkdtempSync(join(tmpdir(), 'agentmem-kill-real-'))
  const child = spawn('/usr/bin/flock', [LOCK, '/bin/sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  holder = child
  await new Promise((resolve) => {
    child.stdout.once('data', resolve)
  })
}, 600_000)

afterAll(() => {
  holder?.stdin?.end()
  if (stateDir !== '') rmSync(stateDir, { recursive: true, force: true })
})

const child = (mode: ChildOptions['mode'], killAt: number, settings: PresetSettings) => startChild({ mode, root: '/', killAt, settings, realStateDir: stateDir })

/** What a run may change, as it stands. */
const settingsNow = (): Record<string, string> => {
  const { files, machine } = readProbe('/')
  const values: Record<string, string> = { swaps: JSON.stringify(machine.swapDevices), zram: machine.zram.map((device) => `${device.name}:${device.diskSizeBytes}`).join(' ') }
  for (const [path, reading] of Object.entries(files)) if (reading.value !== null) values[path] = reading.value
  return values
}

const killEverywhere = async (settings: PresetSettings, least: number): Promise<void> => {
  const before = settingsNow()
  const whole = await child('undo', 0, settings)
  expect(whole.stderr).toBe('')
  expect(whole.stdout).toContain('"undone"')
  expect(settingsNow()).toEqual(before)
  const { names } = whole
  expect(names.length).toBeGreaterThan(least)
  for (const [index, name] of names.entries()) {
    const killed = await child('undo', index + 1, settings)
    const recovered = await child('recover', 0, settings)
    expect(settingsNow(), `after a kill at ${index + 1}, ${name}: ${recovered.stdout} ${recovered.stderr}`).toEqual(before)
    expect(killed.signal, `${index + 1} ${name}: ${killed.stderr}`).toBe('SIGKILL')
    expect(recovered.status, recovered.stderr).toBe(0)
  }
}

const title = (text: string, why: string | null): string => (why === null ? text : `${text} (${why})`)

test.skipIf(zramReason !== null)(
  title('killed at every step on the real KSM and zram files', zramReason),
  async () => {
    const { pagesToScan, sleepMs, smartScan } = probe.machine.ksm.value ?? { pagesToScan: 0, sleepMs: 0, smartScan: { value: null, reason: 'not-supported' as const } }
    await killEverywhere(
      {
        compressedSwap: { mode: 'zram', compressors: ['lz4', 'lzo-rle', 'zstd', 'lzo'], sizePercentOfMemory: 10 },
        ksm: { mode: 'merge', advisor: 'none', pagesToScan: pagesToScan + 200, sleepMs: sleepMs + 10, smartScan: smartScan.value !== true, lowerWhenFlat: true },
      },
      20,
    )
  },
  600_000,
)

test.skipIf(zswapReason !== null)(
  title('killed at every step on the real zswap files, with a swap file behind', zswapReason),
  async () => {
    try {
      await killEverywhere({ compressedSwap: { mode: 'zswap', compressors: ['zstd', 'deflate', 'lzo'], sizePercentOfMemory: 10, poolPercent: 5 }, ksm: { mode: 'merge', advisor: 'scan-time' } }, 20)
      expect(readdirSync(join(SWAP_PARENT, 'swap'))).toEqual([])
    } finally {
      if (existsSync(join(SWAP_PARENT, 'swap'))) rmdirSync(join(SWAP_PARENT, 'swap'))
      if (existsSync(SWAP_PARENT)) rmdirSync(SWAP_PARENT)
    }
  },
  600_000,
)

/** Others than those that hold, and harmless ones; with huge pages the kernel changes min_free_kbytes by itself. */
const now = (path: string): string => (probe.files[path]?.value ?? '').trim()
const tunablesReason =
  reason ?? (['/proc/sys/vm/dirty_background_ratio', '/proc/sys/vm/page-cluster', '/sys/kernel/mm/transparent_hugepage/enabled'].every((path) => now(path) !== '') && now('/proc/sys/vm/dirty_background_bytes') === '0' ? null : 'needs huge pages, and a dirty limit that is a ratio')
test.skipIf(tunablesReason !== null)(
  title('killed at every step on the real tunables, a ratio and huge pages among them', tunablesReason),
  async () => {
    const settings: PresetSettings = {
      tunables: {
        transparentHugePages: now('/sys/kernel/mm/transparent_hugepage/enabled').includes('[never]') ? 'madvise' : 'never',
        pageCluster: now('/proc/sys/vm/page-cluster') === '2' ? 3 : 2,
        dirtyBackgroundBytes: 512 * 1024 ** 2,
      },
    }
    // Once min_free_kbytes was written back, the kernel no longer lowers it with huge pages: only then are all runs alike.
    expect((await child('undo', 0, settings)).stdout).toContain('"undone"')
    await killEverywhere(settings, 12)
  },
  600_000,
)

/** As a systemd service does it: with mounts of its own, which are gone when it has ended. */
const freeZram = readZram('/').find((device) => device.diskSizeBytes === 0)
const mountsReason = zramReason ?? (freeZram === undefined ? 'needs a zram device that is there and unused' : spawnSync('unshare', ['--mount', 'true']).status === 0 ? null : 'needs mount namespaces')
test.skipIf(mountsReason !== null)(`swap is known by its place after the mounts of whoever added it are gone${mountsReason === null ? '' : ` (${mountsReason})`}`, () => {
  const { name = '', algorithm = '' } = freeZram ?? {}
  const node = `/dev/${name}`
  const before = settingsNow()
  const sh = (script: string, ...inside: string[]) => {
    const done = spawnSync(inside[0] ?? 'sh', [...inside.slice(1), ...(inside.length > 0 ? ['sh'] : []), '-ec', script], { encoding: 'utf8' })
    expect(done.status, done.stderr).toBe(0)
  }
  try {
    writeFileSync(`/sys/block/${name}/disksize`, String(64 * 1024 ** 2))
    sh(`/sbin/mkswap ${node} && /sbin/swapon ${node}`, 'unshare', '--mount')
    expect(readSwaps('/').map(({ path, kind }) => [path, kind])).toContainEqual([node, 'zram'])
    sh(`/sbin/swapoff ${node}`)
    expect(readSwaps('/').map(({ path }) => path)).not.toContain(node)
  } finally {
    spawnSync('/sbin/swapoff', [node])
    // udev looks into the device for a moment after it changed.
    sh(`for try in 1 2 3 4 5 6 7 8 9 10; do echo 1 >/sys/block/${name}/reset && break || sleep 0.2; done; echo ${algorithm} >/sys/block/${name}/comp_algorithm`)
  }
  expect(settingsNow()).toEqual(before)
}, 600_000)
