/** Programs and settings that make a condition. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { check, read, run, tryRun, until } from '../../guest/inside/harness.ts'
import { asUser, DEV } from '../../guest/inside/users.ts'
import type { Later } from './condition.ts'

/** Lines of Python before those of a condition: a program that says "ready" once the condition is there. */
const HEAD = `
import os, sys, time
MIB = 1 << 20
def ready(): print('ready', flush=True)
def half(count):
  # Every page compresses to its half, as programs' data does; none is like another.
  return [b''.join(os.urandom(2048) + bytes(2048) for _ in range(256)) for _ in range(count)]
`

/** The command line of such a program. */
export const pythonWords = (text: string): string[] => ['python3', '-u', '-c', `${HEAD}${text}`]

/** The same for Perl, which can call the kernel as it is: the guest's Python is without what would. */
const PERL = `
use strict; use warnings;
$| = 1;
print "pid $$\n";
my ($MIB, $MMAP, $READ, $MADVISE, $MLOCKALL) = (1 << 20, 9, 0, 28, 151);
sub ready { print "ready\n" }
# Private memory of so many bytes, every page of it written.
sub area {
  my ($length) = @_;
  my $at = syscall($MMAP, 0, $length, 3, 0x22, -1, 0);
  die "mmap: $!" if $at == -1;
  syscall($MADVISE, $at, $length, 15); # no huge pages
  open(my $zero, '<', '/dev/zero') or die $!;
  for (my $done = 0; $done < $length; $done += $MIB) { syscall($READ, fileno($zero), $at + $done, $MIB) == $MIB or die "read: $!" }
  return $at;
}
`
export const perlWords = (text: string): string[] => ['perl', '-e', `${PERL}${text}`]

/** How its undoing is noted; started in a scope of its own, by another program, or by a user who may lock as much as there is. */
interface How { readonly later: Later; readonly scope?: string; readonly launcher?: readonly string[]; readonly mayLock?: boolean }

/** A program as the user; the condition is there once it says "ready". */
export const started = async (program: readonly string[], { later, scope, launcher = [], mayLock = false }: How): Promise<void> => {
  const words = [...(scope === undefined ? [] : ['systemd-run', '--user', '--quiet', '--scope', `--unit=${scope}`]), ...launcher, ...program]
  const [file = '', ...args] = [...(mayLock ? ['prlimit', '--memlock=unlimited:unlimited'] : []), ...asUser(DEV, ...words)]
  const child: ChildProcess = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const ended = once(child, 'exit')
  later(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
    return ended
  })
  let said = ''
  await Promise.race([
    new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('ready')) resolve()
      })
    }),
    ended,
  ])
  check(said.includes('ready'), `the program ended early: ${said}`)
}

export const python = (text: string, how: How): Promise<void> => started(pythonWords(text), how)
export const perl = (text: string, how: How): Promise<void> => started(perlWords(text), how)

export const writeSettings = (wanted: Readonly<Record<string, string>>, later: Later): void => {
  for (const [path, value] of Object.entries(wanted)) {
    const before = /\[([^\]]+)\]/u.exec(read(path))?.[1] ?? read(path)
    later(() => { writeFileSync(path, before) })
    writeFileSync(path, value)
  }
}

const ZRAM = '/dev/zram0'

/**
 * Half of memory as compressed swap, as distributions set laptops up: the
 * machine is well, and the conditions are made from there.
 */
export const healthySwap = (): void => {
  if (read('/proc/swaps').includes(ZRAM)) return
  if (read('/sys/block/zram0/disksize') === '0') {
    writeFileSync('/sys/block/zram0/disksize', '700M')
    run('mkswap', ZRAM)
  }
  run('swapon', '--priority', '100', ZRAM)
}
export const noSwap = async (later: Later): Promise<void> => {
  later(healthySwap)
  run('swapoff', ZRAM)
  // As if it had never been set up, once udev has looked at it: whoever sets one up now can use it.
  await until('zram to be free', () => tryRun('sh', ['-c', 'echo 1 > /sys/block/zram0/reset']).status === 0)
}

/** Swap of so many MiB in a file on the disk. */
export const swapFile = (mib: number, later: Later): void => {
  const path = '/var/tmp/swapfile'
  later(() => {
    tryRun('swapoff', [path])
    run('rm', '-f', path)
  })
  for (const [program = '', ...args] of [['fallocate', '-l', `${mib}M`, path], ['chmod', '600', path], ['mkswap', path], ['swapon', path]]) run(program, ...args)
}

export const meminfo = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'mu').exec(read('/proc/meminfo'))?.[1] ?? Number.NaN) * 1024
export const vmstat = (...names: readonly string[]): number => names.reduce((sum, name) => sum + Number(new RegExp(`^${name} (\\d+)$`, 'mu').exec(read('/proc/vmstat'))?.[1] ?? Number.NaN), 0)
