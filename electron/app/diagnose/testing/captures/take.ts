/**
 * Makes conditions of memory on this machine, takes looks at each, and keeps
 * them here: `node take.ts own` for those that hurt nobody else, and, since
 * they change settings of the kernel, `flock /tmp/agentmem-kernel.lock node
 * take.ts kernel`. As root, on a machine with zram as its swap. Every setting
 * is put back at once. Kept is what differs from a quiet look, of the
 * condition's own processes only; other names, messages and agents stay out.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Evidence } from '../../../../../helper/contract/evidence.ts'
import { known } from '../../../../../helper/contract/known.ts'
import { readEvidence } from '../../../../../helper/observe/evidence/read.ts'
import { patchBetween } from './patch.ts'

const here = import.meta.dirname
const scratch = mkdtempSync(join(tmpdir(), 'agentmem-conditions-'))
const sh = (line: string): string => execFileSync('sh', ['-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

const undo: (() => Promise<void> | void)[] = []
const own = new Set<number>()

const hold = async (...words: readonly string[]): Promise<ChildProcess> => {
  const child = spawn('python3', [join(here, 'hold.py'), ...words], { stdio: ['pipe', 'pipe', 'inherit'] })
  own.add(child.pid ?? 0)
  undo.push(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.stdin?.end()
    child.kill('SIGKILL')
    await ended
  })
  await new Promise((resolve, reject) => child.stdout?.once('data', resolve).once('close', () => { reject(new Error(`hold.py ${words.join(' ')} failed`)) }))
  return child
}

/** A copy of `sleep` by another name: what a service looks like to whoever lists processes. */
const service = (name: string): void => {
  const path = join(scratch, name)
  copyFileSync('/bin/sleep', path)
  execFileSync('chmod', ['+x', path])
  const child = spawn(path, ['600'], { stdio: 'ignore' })
  undo.push(() => { child.kill('SIGKILL') })
}

const set = (path: string, value: string): void => {
  const text = readFileSync(path, 'utf8').trim()
  const old = /\[([^\]]+)\]/u.exec(text)?.[1] ?? text
  undo.push(() => { writeFileSync(path, old) })
  writeFileSync(path, value)
}

const tmpfs = (sizeMb: number, usedMb: number): void => {
  const folder = join(scratch, 'ram')
  mkdirSync(folder)
  sh(`mount -t tmpfs -o size=${sizeMb}m hoard ${folder}`)
  undo.push(() => { sh(`umount ${folder}`); rmSync(folder, { recursive: true }) })
  sh(`head -c ${usedMb}M /dev/zero > ${folder}/build.iso`)
}

let files = 0
const swapFile = (sizeMb: number, priority: number): void => {
  files += 1
  const file = `/var/tmp/agentmem-condition-${process.pid}-${files}.swap`
  sh(`fallocate -l ${sizeMb}M ${file} && chmod 600 ${file} && mkswap -q ${file} && swapon -p ${priority} ${file}`)
  undo.push(() => { sh(`swapoff ${file}; rm -f ${file}`) })
}
const noZram = (): void => {
  sh('swapoff /dev/zram0')
  undo.push(() => { sh('swapon /dev/zram0') })
}
const zswap = (compressor: string, percent: number): void => {
  const folder = '/sys/module/zswap/parameters'
  set(`${folder}/compressor`, compressor)
  set(`${folder}/max_pool_percent`, String(percent))
  set(`${folder}/enabled`, 'Y')
}
interface Condition { readonly name: string; readonly looks?: number; readonly stepMs?: number; readonly make: () => Promise<unknown> | void }

const ownConditions: readonly Condition[] = [
  { name: 'tmpfs-hoarder', make: () => { tmpfs(2048, 1300) } },
  { name: 'tmpfs-full', make: () => { tmpfs(128, 124) } },
  { name: 'memfd-hoarder', make: () => hold('memfd', '900') },
  { name: 'locked-memory', make: () => hold('lock', '1300') },
  { name: 'zombies', make: () => hold('zombies', '80') },
  { name: 'leaking-process', looks: 6, stepMs: 13_000, make: () => hold('leak') },
  { name: 'page-faults', looks: 2, stepMs: 6000, make: () => hold('faults') },
  { name: 'promised', make: () => hold('promise', '8') },
  { name: 'refaults', looks: 2, stepMs: 3000, make: async () => { const file = `/var/tmp/agentmem-condition-${process.pid}.data`; undo.push(() => { rmSync(file, { force: true }) }); await hold('refault', file, '200') } },
  { name: 'several-killers', make: async () => { service('earlyoom'); service('nohang'); await sleep(200) } },
  { name: 'ksmtuned', make: async () => { service('ksmtuned'); await sleep(200) } },
  { name: 'tuned', make: async () => { service('tuned'); await sleep(200) } },
  { name: 'swapspace', make: async () => { service('swapspace'); await sleep(200) } },
]

const kernelConditions: readonly Condition[] = [
  { name: 'thrashing', looks: 2, stepMs: 3000, make: () => hold('thrash', '200') },
  { name: 'incompressible', make: () => hold('pageout', '400', '97') },
  { name: 'swappiness', make: () => { set('/proc/sys/vm/swappiness', '10') } },
  { name: 'zram-too-large', make: () => { const id = readFileSync('/sys/class/zram-control/hot_add', 'utf8').trim(); undo.push(() => { writeFileSync('/sys/class/zram-control/hot_remove', id) }); writeFileSync(`/sys/block/zram${id}/disksize`, '64G') } },
  { name: 'compressed-twice', make: () => { zswap('lzo', 20) } },
  { name: 'slow-compressor', make: () => { noZram(); swapFile(64, 5); zswap('deflate', 20) } },
  { name: 'no-swap', make: () => { noZram() } },
  { name: 'zswap-without-swap', make: () => { noZram(); zswap('lzo', 20) } },
  { name: 'disk-first', make: async () => { swapFile(600, 10); await hold('pageout', '300', '30') } },
  { name: 'disk-only', make: async () => { noZram(); swapFile(800, 10); await hold('pageout', '400', '30') } },
  { name: 'swap-full', make: async () => { noZram(); swapFile(64, 10); await hold('pageout', '200', '30') } },
  { name: 'zswap-pool-full', looks: 2, stepMs: 4000, make: async () => { noZram(); swapFile(1500, 10); zswap('lzo', 1); await hold('pageouts', '1200', '60'); await sleep(3000) } },
  { name: 'hugetlb-left', make: () => { set('/proc/sys/vm/nr_hugepages', '140') } },
  { name: 'reserve-too-large', make: () => { set('/proc/sys/vm/watermark_scale_factor', '900') } },
  { name: 'no-aslr', make: () => { set('/proc/sys/kernel/randomize_va_space', '0') } },
  { name: 'low-addresses', make: () => { set('/proc/sys/vm/mmap_min_addr', '0') } },
]

const look = async (): Promise<Evidence> => {
  const seen = await readEvidence('/', { uid: null, privileged: true })
  return {
    ...seen,
    kernelRelease: '6.18.44',
    bootId: '00000000-1111-4222-8333-444444444444',
    // Its own processes only, and of settings those that rules read.
    processes: seen.processes.filter((each) => own.has(each.ref.pid)),
    mm: Object.fromEntries(Object.entries(seen.mm).filter(([path]) => !/\/hugepages-\d+kB\/|\/damon/u.test(path))),
    slab: { value: seen.slab.value?.slice(0, 8) ?? null, reason: 'not-measured' } as Evidence['slab'],
    memoryFileSystems: seen.memoryFileSystems.filter((each) => each.usedBytes.value !== null && each.usedBytes.value >= 1024 ** 2).map((each) => ({ ...each, folder: each.folder.replace(scratch, '/mnt') })),
    swapDevices: seen.swapDevices.map((each) => ({ ...each, path: each.path.replace(/\/var\/tmp\/agentmem-condition-[\d-]+/u, '/swapfile') })),
    hardening: { ...seen.hardening, swapEncryption: seen.hardening.swapEncryption.map((each) => ({ ...each, path: each.path.replace(/\/var\/tmp\/agentmem-condition-[\d-]+/u, '/swapfile') })) },
    kernelMessages: known([]),
    tookMs: 0,
  }
}

const save = (name: string, value: unknown): void => { writeFileSync(join(here, `${name}.json`), `${JSON.stringify(value)}\n`) }

const main = async (): Promise<void> => {
  const only = process.argv.slice(3)
  const all = process.argv[2] === 'own' ? ownConditions : process.argv[2] === 'kernel' ? kernelConditions : null
  if (all === null) throw new Error('expected "own" or "kernel"')
  const quiet = await look()
  if (process.argv[2] === 'own' && only.length === 0) save('quiet', quiet)
  const base = JSON.parse(readFileSync(join(here, 'quiet.json'), 'utf8')) as Evidence
  for (const { name, looks = 1, stepMs = 1000, make } of all.filter((each) => only.length === 0 || only.includes(each.name))) {
    const taken: Evidence[] = []
    try {
      await make()
      await sleep(300)
      for (let i = 0; i < looks; i += 1) {
        if (i > 0) await sleep(stepMs)
        taken.push(await look())
      }
    } finally {
      for (const each of undo.splice(0).toReversed()) await each()
      own.clear()
    }
    save(name, taken.map((each) => patchBetween(base, each)))
    console.log(name)
  }
  rmSync(scratch, { recursive: true, force: true })
}

await main()
