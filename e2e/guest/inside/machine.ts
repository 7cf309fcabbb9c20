/** The machine as it was before installing, to be found again after uninstalling. */
import { readdirSync } from 'node:fs'
import { read, tryRun } from './harness.ts'
import { asUser, DEV, EVE } from './users.ts'

const out = (...command: string[]): string[] => {
  const [program = '', ...args] = command
  return tryRun(program, args).out.split('\n').filter((line) => line !== '')
}

/** What the distribution's own services start and write while any machine runs. */
const RESTLESS_FILES = /^\S+ \S+ \S+ \S+ \/(?:var\/(?:log|cache|tmp|lib\/systemd|lib\/private)(?:\/|$)|etc\/(?:mtab|machine-id|\.updated|resolv\.conf)|var\/\.updated)/u
const RESTLESS_GROUPS = /^\/sys\/fs\/cgroup\/(?:system\.slice\/(?!.*agentmem)|.*\/(?:session-\w+|init)\.scope|.*\/user@\d+\.service\/(?:session\.slice|init\.scope|app\.slice\/(?:dbus|terminal)))/u
const RESTLESS_UNITS = /^(?:session-\w+\.scope|run-|terminal-|systemd-|modprobe@|user-runtime-dir@|autovt@|dpkg-|apt-|e2scrub|man-db|fstrim|hog|getty|dev-|sys-|user@|logrotate|emergency|rescue|initrd-|polkit\.|dbus)/u

/** All but dates and the size of folders: a folder something was put into and taken out of is as before. */
const files = (): string[] => out('find', '/etc', '/usr', '/boot', '/opt', '/srv', '/var', '/run/systemd/system.control', '/run/systemd/system', '-xdev', '(', '-type', 'd', '-printf', '%y %m %U:%G - %p\n', '-o', '-printf', '%y %m %U:%G %s,%T@ %p\n', ')').filter((line) => !RESTLESS_FILES.test(line) && !line.startsWith('find: '))

const LIMITS = ['memory.low', 'memory.min', 'memory.high', 'memory.max', 'memory.swap.max', 'memory.zswap.max', 'cgroup.freeze', 'cgroup.subtree_control']

const groups = (): string[] =>
  out('find', '/sys/fs/cgroup', '-type', 'd').filter((path) => !RESTLESS_GROUPS.test(path)).flatMap((path) => [path, ...LIMITS.map((file) => `${path}/${file}: ${read(`${path}/${file}`)}`)])

/** A busy systemd does not answer in time: nothing listed is no list. */
const listed = (...command: string[]): string[] => {
  for (let tries = 0; tries < 5; tries += 1) {
    const lines = out(...command)
    if (lines.length > 3) return lines
  }
  throw new Error(`${command.join(' ')} lists nothing`)
}

const units = (label: string, ...systemctl: string[]): string[] => [
  ...listed(...systemctl, 'list-unit-files', '--no-legend', '--no-pager').filter((line) => !RESTLESS_UNITS.test(line)).map((line) => `${label} unit file ${line.split(/\s+/u).slice(0, 2).join(' ')}`),
  ...listed(...systemctl, 'list-units', '--all', '--plain', '--no-legend', '--no-pager', '--type=service,scope,slice,socket,timer')
    .map((line) => line.trim().split(/\s+/u)[0] ?? '').filter((name) => !RESTLESS_UNITS.test(name)).map((name) => `${label} unit ${name}`),
]

const COUNTERS = /^(?:pages_(?:shared|sharing|unshared|volatile|scanned|skipped)|full_scans|stable_node_.*|general_profit|ksm_zero_pages|.*_scanned|stat.*)$/u

const settings = (): string[] => [
  ...['/sys/kernel/mm/ksm', '/sys/module/zswap/parameters', '/proc/sys/vm'].flatMap((folder) => readdirSync(folder).filter((name) => !COUNTERS.test(name)).map((name) => `${folder}/${name}: ${read(`${folder}/${name}`)}`)),
  ...['disksize', 'comp_algorithm', 'mem_limit'].map((name) => `zram0 ${name}: ${read(`/sys/block/zram0/${name}`)}`),
  ...read('/proc/swaps').split('\n').map((line) => `swap ${line.split(/\s+/u).slice(0, 3).join(' ')}`),
]

export const lookAtMachine = (): ReadonlySet<string> =>
  new Set([
    ...files(), ...groups(), ...settings(), ...units('system', 'systemctl'),
    ...[DEV, EVE].flatMap((user) => units(user.name, ...asUser(user, 'systemctl', '--user'))),
  ])

/** What is there now and was not, with +, and what is not any more, with -. */
export const differences = (before: ReadonlySet<string>, now: ReadonlySet<string>): string[] =>
  [...[...now].filter((line) => !before.has(line)).map((line) => `+ ${line}`), ...[...before].filter((line) => !now.has(line)).map((line) => `- ${line}`)].toSorted((a, b) => a.slice(2).localeCompare(b.slice(2)))
