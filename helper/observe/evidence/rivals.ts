import type { z } from 'zod'
import type { rivalSchema } from '../../contract/evidence.ts'
import { listNames, readText, under } from '../files.ts'

type Rival = z.infer<typeof rivalSchema>

interface Known {
  readonly id: Rival['id']
  /** Kernel names of its processes: 15 bytes at most. */
  readonly runs: RegExp | null
  /** Files and folders of fragments that say how it is set. */
  readonly files: readonly string[]
  /** Where one of these exists, it is on although no process stays. */
  readonly marks?: readonly string[]
}

const wants = '/etc/systemd/system/multi-user.target.wants'

/** DAMON acts by itself only through these; a kdamond thread alone may only be watching (damon_stat). */
const DAMON_SWITCHES = ['/sys/module/damon_reclaim/parameters/enabled', '/sys/module/damon_lru_sort/parameters/enabled']

const KNOWN: readonly Known[] = [
  { id: 'systemd-oomd', runs: /^systemd-oomd$/u, files: ['/etc/systemd/oomd.conf', '/usr/lib/systemd/oomd.conf', '/etc/systemd/oomd.conf.d', '/usr/lib/systemd/oomd.conf.d', '/usr/lib/systemd/system/user@.service.d', '/usr/lib/systemd/system/-.slice.d'] },
  { id: 'earlyoom', runs: /^earlyoom$/u, files: ['/etc/default/earlyoom'] },
  { id: 'nohang', runs: /^nohang/u, files: ['/etc/nohang/nohang.conf', '/etc/nohang/nohang-desktop.conf'] },
  { id: 'oomd', runs: /^oomd$/u, files: ['/etc/oomd.json', '/etc/oomd/oomd.json'] },
  { id: 'tuned', runs: /^tuned$/u, files: ['/etc/tuned/active_profile', '/etc/tuned/tuned-main.conf'] },
  { id: 'zram-generator', runs: null, files: ['/etc/systemd/zram-generator.conf', '/run/systemd/zram-generator.conf', '/usr/lib/systemd/zram-generator.conf', '/etc/systemd/zram-generator.conf.d'], marks: ['/run/systemd/generator/systemd-zram-setup@zram0.service.d', '/run/systemd/generator/dev-zram0.swap'] },
  { id: 'zram-tools', runs: null, files: ['/etc/default/zramswap'] },
  { id: 'zramswap', runs: null, files: [], marks: [`${wants}/zramswap.service`, `${wants}/zram-config.service`] },
  { id: 'ksmtuned', runs: /^ksmtuned$/u, files: ['/etc/ksmtuned.conf'] },
  { id: 'preload', runs: /^preload$/u, files: ['/etc/preload.conf'] },
  { id: 'uresourced', runs: /^uresourced$/u, files: ['/etc/uresourced.conf'] },
  { id: 'swapspace', runs: /^swapspace$/u, files: ['/etc/swapspace.conf'] },
  { id: 'damon', runs: null, files: DAMON_SWITCHES },
]

const LONGEST = 2000

/** What a settings file says, without its comments and people's folders. */
export const settingsText = (text: string): string =>
  text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !/^[#;/]/u.test(line)).map((line) => line.replace(/\/(?:home|root)\/\S*/gu, '/x')).join('\n').slice(0, LONGEST)

const fragmentsOf = (root: string, path: string): string[] => {
  const names = listNames(under(root, path)).value
  return names === null ? [path] : names.filter((name) => name.endsWith('.conf')).toSorted().map((name) => `${path}/${name}`)
}

/** Settings files of rivals on this machine: what a capture keeps. */
export const rivalFiles = (root: string): string[] =>
  KNOWN.flatMap(({ files }) => files.flatMap((path) => fragmentsOf(root, path))).filter((path) => readText(under(root, path)).value !== null)

export const rivalMarks: readonly string[] = KNOWN.flatMap(({ marks }) => marks ?? [])

const exists = (root: string, path: string): boolean => listNames(under(root, path)).value !== null || readText(under(root, path)).value !== null

/** Services that also tune or kill by memory, in the order of the list; those that are neither running nor configured are left out. */
export const readRivals = (root: string, names: ReadonlySet<string>): Rival[] =>
  KNOWN.flatMap(({ id, runs, files, marks }): Rival[] => {
    const settings = Object.fromEntries(files.flatMap((path) => fragmentsOf(root, path)).flatMap((path): [string, string][] => {
      const text = readText(under(root, path)).value
      return text === null ? [] : [[path, settingsText(text)]]
    }))
    if (id === 'damon') return Object.values(settings).includes('Y') ? [{ id, running: true, configured: true, settings }] : []
    const marked = (marks ?? []).some((path) => exists(root, path))
    const running = marked || (runs !== null && [...names].some((name) => runs.test(name)))
    // Distribution-wide defaults of systemd are there on every machine and configure nothing by themselves.
    const configured = Object.keys(settings).some((path) => !path.startsWith('/usr/lib/'))
    return running || configured ? [{ id, running, configured, settings }] : []
  })
