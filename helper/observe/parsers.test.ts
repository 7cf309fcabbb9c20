import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseCgroupLines, readCgroupLayout, readCgroupMemory, readCgroupPids, readProcessCgroup } from './cgroup.ts'
import { integer, parseChoice, readInteger, readLink, readText, unescapeOctal } from './files.ts'
import { atLeast, kernelVersionOf } from './kernel.ts'
import { readKsm } from './ksm.ts'
import { compressedSwap, readMachine } from './machine.ts'
import { machineMemory, parseMeminfo } from './meminfo.ts'
import { mountOf, parseMounts } from './mounts.ts'
import { parsePressure } from './pressure.ts'
import { parseCompressors } from './probe.ts'
import { parseSwaps } from './swaps.ts'
import { parseCounters, vmCounters } from './vmstat.ts'
import { parseMmStat, readZram } from './zram.ts'
import { readZswap } from './zswap.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-observe-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

describe('files', () => {
  test('absence, a folder and a file larger than the first buffer', () => {
    put('/big', 'x'.repeat(200_001))
    expect(readText(join(root, 'none'))).toMatchObject({ value: null, reason: 'not-supported' })
    expect(readText(join(root, 'none'), 'vanished')).toMatchObject({ value: null, reason: 'vanished' })
    expect(readText(root)).toMatchObject({ value: null, reason: 'malformed' })
    expect(readText(join(root, 'big')).value).toHaveLength(200_001)
    put('/small', 'a')
    expect(readText(join(root, 'small'))).toEqual({ value: 'a' })
  })

  test('a file that is too large is reported, not cut', () => {
    put('/huge', 'x'.repeat(8 * 1024 * 1024 + 1))
    expect(readText(join(root, 'huge'))).toMatchObject({ value: null, reason: 'malformed' })
  })

  test('links, true ones and those of a captured tree', () => {
    symlinkSync('/usr/bin/true thing', join(root, 'link'))
    put('/text', '/usr/bin/node\n')
    expect(readLink(join(root, 'link'))).toEqual({ value: '/usr/bin/true thing' })
    expect(readLink(join(root, 'text'))).toEqual({ value: '/usr/bin/node' })
    expect(readLink(join(root, 'text'), 'vanished', false).value).toBeNull()
  })

  test('integers are exact or nothing', () => {
    expect(integer('12')).toBe(12)
    for (const bad of ['', ' 1', '1.5', '1e3', '0x10', 'NaN', '99999999999999999999', undefined]) expect(integer(bad)).toBeNull()
    put('/n', 'many\n')
    expect(readInteger(join(root, 'n'))).toMatchObject({ value: null, reason: 'malformed' })
  })

  test('choices and escapes', () => {
    expect(parseChoice('lzo [lz4] zstd \n')).toEqual({ chosen: 'lz4', all: ['lzo', 'lz4', 'zstd'] })
    expect(parseChoice('zstd\n')).toEqual({ chosen: null, all: ['zstd'] })
    expect(unescapeOctal('/a\\040b\\134c\\303\\244')).toBe('/a b\\cä')
    expect(unescapeOctal('/a\\9x\\')).toBe('/a\\9x\\')
  })
})

describe('machine files', () => {
  test('meminfo: bytes, huge page counts left out, broken lines skipped', () => {
    const fields = parseMeminfo('MemTotal:       1000 kB\nHugePages_Total:       5\nActive(anon):  7 kB\nMemFree: lots kB\n')
    expect([...fields]).toEqual([['MemTotal', 1_024_000], ['Active(anon)', 7168]])
  })

  test('meminfo before 3.14: available is what the kernel then advised', () => {
    const memory = machineMemory(parseMeminfo('MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 30 kB\nShmem: 8 kB\n'))
    expect(memory.availableBytes).toBe(37 * 1024)
  })

  test('a root without meminfo is no machine, and says so', () => {
    expect(() => readMachine(root)).toThrow(/proc\/meminfo/u)
  })

  test('vmstat of an old kernel: later counters are missing, not zero', () => {
    const vm = vmCounters(parseCounters('pswpin 3\npswpout 4\npgmajfault 5\nworkingset_refault 6\nbroken\nx y\n'))
    expect(vm).toMatchObject({ swapInPages: 3, swapOutPages: 4, majorFaults: 5, refaultFilePages: { value: 6 } })
    expect(vm.refaultAnonPages).toMatchObject({ value: null, reason: 'not-supported' })
    expect(vm.oomKills.value).toBeNull()
    expect(vm.allocStalls?.value).toBeNull()
  })

  test('vmstat counts stalls for each zone, and before 4.10 in one', () => {
    const stalls = (text: string): number | null | undefined => vmCounters(parseCounters(text)).allocStalls?.value
    expect(stalls('allocstall_dma 1\nallocstall_dma32 2\nallocstall_normal 30\nallocstall_movable 400\nallocstalled 5000\n')).toBe(433)
    expect(stalls('allocstall 7\n')).toBe(7)
  })

  test('pressure: cpu had no "full" line before 5.13; other text is malformed', () => {
    const some = 'some avg10=1.50 avg60=0.82 avg300=0.49 total=21077280\n'
    expect(parsePressure(some)).toMatchObject({ some: { avg10Percent: 1.5, totalUs: 21_077_280 }, full: { value: null, reason: 'not-supported' } })
    expect(parsePressure(`${some}full avg10=0.10 avg60=0.00 avg300=0.00 total=9\n`)?.full.value?.totalUs).toBe(9)
    expect(parsePressure('')).toBeNull()
    expect(parsePressure('some avg10=x avg60=0 avg300=0 total=1\n')).toBeNull()
  })

  test('swaps: escaped and deleted names, zram told apart, broken lines skipped', () => {
    const text = 'Filename\tType\tSize\tUsed\tPriority\n/my\\040swap\\011file file\t100\t4\t-2\n/dev/zram12 partition 200 0 100\n/gone\\040(deleted) file 8 0 -3\n/dev/sda2 partition many 0 1\n\n'
    expect(parseSwaps(text)).toEqual([
      { path: '/my swap\tfile', kind: 'file', sizeBytes: 102_400, usedBytes: 4096, priority: -2 },
      { path: '/dev/zram12', kind: 'zram', sizeBytes: 204_800, usedBytes: 0, priority: 100 },
      { path: '/gone', kind: 'file', sizeBytes: 8192, usedBytes: 0, priority: -3 },
    ])
    expect(parseSwaps('')).toEqual([])
  })

  test.each([
    // As the kernel shows them once the service that added them has gone to sleep, with its mounts (seen on 6.18).
    ['/zram0', 'partition', '/dev/zram0'],
    ['/swap/agentmem-1.swap', 'file', '/var/lib/agentmem/swap/agentmem-1.swap'],
    ['/lib/agentmem/swap/agentmem-12.swap', 'file', '/var/lib/agentmem/swap/agentmem-12.swap'],
    ['/var/lib/agentmem/swap/agentmem-1.swap', 'file', '/var/lib/agentmem/swap/agentmem-1.swap'],
    ['/var/tmp/chroot/dev/zram0', 'partition', '/dev/zram0'],
    // Somebody else's.
    ['/home/a/swap/agentmem-1.swap', 'file', '/home/a/swap/agentmem-1.swap'],
    ['/swap/agentmem-1.swap.old', 'file', '/swap/agentmem-1.swap.old'],
    ['/zram0', 'file', '/zram0'],
    ['/dev/sda2', 'partition', '/dev/sda2'],
  ])('swaps: %s, a %s, is %s', (name, type, path) => {
    expect(parseSwaps(`Filename Type Size Used Priority\n${name} ${type} 8 0 -2\n`)).toMatchObject([{ path, kind: path.startsWith('/dev/zram') ? 'zram' : type }])
  })

  test('KSM: absent, and of a kernel before the advisor', () => {
    expect(readKsm(root)).toMatchObject({ value: null, reason: 'not-supported' })
    for (const name of ['run', 'pages_to_scan', 'sleep_millisecs', 'pages_shared', 'full_scans']) put(`/sys/kernel/mm/ksm/${name}`, '1\n')
    expect(readKsm(root).value).toBeNull()
    put('/sys/kernel/mm/ksm/pages_sharing', '77\n')
    expect(readKsm(root).value).toMatchObject({ run: 1, pagesSharing: 77, advisorMode: { value: null, reason: 'not-supported' }, smartScan: { value: null }, generalProfitBytes: { value: null } })
    put('/sys/kernel/mm/ksm/advisor_mode', 'none scan-time\n')
    expect(readKsm(root).value?.advisorMode).toMatchObject({ reason: 'malformed' })
    put('/sys/kernel/mm/ksm/general_profit', '-4096\n')
    expect(readKsm(root).value?.generalProfitBytes).toEqual({ value: -4096 })
  })

  test('zswap: flags, and pool figures from debugfs where meminfo has none', () => {
    const folder = '/sys/module/zswap/parameters'
    put(`${folder}/enabled`, 'Y\n')
    put(`${folder}/compressor`, 'zstd\n')
    put(`${folder}/max_pool_percent`, '20\n')
    const before = readZswap(root, new Map()).value
    expect(before).toMatchObject({ enabled: true, compressor: 'zstd', maxPoolPercent: 20, shrinkerEnabled: { reason: 'not-supported' }, poolBytes: { value: null } })
    put('/sys/kernel/debug/zswap/pool_total_size', '8192\n')
    put('/sys/kernel/debug/zswap/stored_pages', '5\n')
    expect(readZswap(root, new Map()).value).toMatchObject({ poolBytes: { value: 8192 }, storedBytes: { value: 20_480 } })
    put(`${folder}/enabled`, 'maybe\n')
    expect(readZswap(root, new Map())).toMatchObject({ value: null, reason: 'malformed' })
  })

  test('zram: order by number, unused without figures, devices that are none', () => {
    for (const name of ['zram10', 'zram2', 'zramble', 'sda']) {
      put(`/sys/block/${name}/disksize`, '4096\n')
      put(`/sys/block/${name}/comp_algorithm`, '[lzo-rle] lzo lz4 \n')
    }
    put('/sys/block/zram2/mm_stat', '  8192  4000  4096        0     4096   0 0 0 0\n')
    expect(readZram(root).map(({ name, storedBytes, poolBytes, algorithm }) => [name, storedBytes, poolBytes, algorithm])).toEqual([
      ['zram2', 8192, 4096, 'lzo-rle'],
      ['zram10', 0, 0, 'lzo-rle'],
    ])
    expect(parseMmStat('1 2')).toBeNull()
  })

  test('compressed swap: a zram device that is no swap holds nobody\'s pages', () => {
    put('/proc/meminfo', 'MemTotal: 1000 kB\nSwapTotal: 800 kB\nSwapFree: 400 kB\n')
    for (const [name, stat] of [['zram0', '204800 50000 102400'], ['zram1', '999999 9 999999']] as const) {
      put(`/sys/block/${name}/disksize`, '819200\n')
      put(`/sys/block/${name}/comp_algorithm`, '[lz4]\n')
      put(`/sys/block/${name}/mm_stat`, stat)
    }
    put('/proc/swaps', 'Filename Type Size Used Priority\n/dev/zram0 partition 800 400 5\n')
    const compressed = compressedSwap(readMachine(root))
    expect(compressed).toEqual({ poolBytes: 102_400, storedBytes: 204_800, poolPerStored: { value: 0.5 }, shareHeld: { value: 0.5 } })
    put('/proc/swaps', 'Filename Type Size Used Priority\n')
    expect(compressedSwap(readMachine(root)).poolPerStored.value).toBeNull()
  })

  test('compressors that registered', () => {
    const block = (name: string, type: string): string => `name         : ${name}\ndriver       : ${name}-x\ntype         : ${type}\n`
    expect(parseCompressors([block('lzo', 'scomp'), block('sha256', 'shash'), block('zstd', 'acomp'), block('odd', 'acomp'), block('lz4', 'compression')].join('\n'))).toEqual(['zstd', 'lz4', 'lzo'])
    expect(parseCompressors('')).toEqual([])
  })

  test('kernel versions', () => {
    expect(kernelVersionOf('6.12.9-amd64')).toEqual([6, 12])
    expect(kernelVersionOf('unknown')).toEqual([0, 0])
    expect([atLeast([6, 8], 6, 8), atLeast([6, 7], 6, 8), atLeast([7, 0], 6, 8), atLeast([0, 0], 2, 6)]).toEqual([true, false, true, false])
  })

  test('mounts: escaped names, the longest folder wins, of equals the last', () => {
    const mounts = parseMounts('x / ext4 rw 0 0\nx /var/lib xfs rw 0 0\nx /var/lib btrfs rw 0 0\nx /var/li\\040b tmpfs rw 0 0\n')
    expect(mountOf(mounts, '/var/lib/agentmem')?.type).toBe('btrfs')
    expect(mountOf(mounts, '/var/library')?.type).toBe('ext4')
    expect(mountOf(mounts, '/var/li b')?.type).toBe('tmpfs')
    expect(mountOf([], '/')).toBeNull()
  })
})

describe('cgroups', () => {
  test('lines: names with colons, hybrid layouts', () => {
    expect(parseCgroupLines('4:memory:/a:b/c\n1:name=systemd:/x\n0::/user.slice\nrubbish\n')).toEqual([
      { hierarchy: 4, controllers: ['memory'], path: '/a:b/c' },
      { hierarchy: 1, controllers: ['name=systemd'], path: '/x' },
      { hierarchy: 0, controllers: [], path: '/user.slice' },
    ])
    put('/proc/7/cgroup', '0::/user.slice\n4:cpu,memory:/old\n')
    expect(readProcessCgroup(root, 7)).toEqual({ value: { version: 'v1', path: '/old' } })
    expect(readProcessCgroup(root, 8)).toMatchObject({ value: null, reason: 'vanished' })
  })

  test('layout without any cgroup', () => {
    put('/proc/mounts', 'x / ext4 rw 0 0\n')
    expect(readCgroupLayout(root)).toMatchObject({ version: 'none', memoryController: false, memoryReclaim: false })
  })

  test('memory of a v2 and of a v1 cgroup', () => {
    put('/c/memory.current', '100\n')
    put('/c/memory.stat', 'anon 60\nfile 40\n')
    put('/c/memory.events', 'low 0\nhigh 3\noom_kill 1\n')
    put('/c/memory.usage_in_bytes', '200\n')
    expect(readCgroupMemory(root, '/c', 'v2').value).toMatchObject({ currentBytes: 100, anonBytes: { value: 60 }, oomKills: { value: 1 }, highEvents: { value: 3 }, swapBytes: { value: null } })
    put('/c/memory.stat', 'cache 1\nrss 2\ntotal_cache 30\ntotal_rss 20\n')
    expect(readCgroupMemory(root, '/c', 'v1').value).toMatchObject({ currentBytes: 200, anonBytes: { value: 20 }, fileBytes: { value: 30 }, oomKills: { value: null } })
    expect(readCgroupMemory(root, '/none', 'v2').value).toBeNull()
  })

  test('pids of a cgroup and those under it; a too wide one is refused', () => {
    put('/c/cgroup.procs', '1\n2\n')
    put('/c/main/cgroup.procs', '3\n')
    put('/c/memory.stat', 'anon 1\n')
    expect(readCgroupPids(root, '/c')).toEqual(new Set([1, 2, 3]))
    expect(readCgroupPids(root, '/none')).toBeNull()
    for (let i = 0; i < 70; i += 1) put(`/wide/${i}/cgroup.procs`, '')
    put('/wide/cgroup.procs', '')
    expect(readCgroupPids(root, '/wide')).toBeNull()
  })
})
