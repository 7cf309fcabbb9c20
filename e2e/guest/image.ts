import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync, copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FILES, FLAVOURS, LEFT_OUT, MASKED, PACKAGES, SUITE, USERS, type Flavour, type FlavourName } from './recipe.ts'

/** A base image that can be started; `image` is never written to. */
export interface GuestImage {
  readonly image: string
  readonly kernel: string
  readonly initrd: string
}

export type ImageResult = { ok: true; value: GuestImage } | { ok: false; reason: string }

export const QEMU = '/usr/bin/qemu-system-x86_64'
const CACHE = process.env['AGENTMEM_GUEST_CACHE'] ?? '/var/cache/agentmem-guest'
const MIRROR = process.env['AGENTMEM_GUEST_MIRROR'] ?? 'http://deb.debian.org/debian'
const MINUTES = 60_000

const keyOf = (flavour: Flavour): string => createHash('sha256').update(JSON.stringify([flavour, PACKAGES, LEFT_OUT, USERS, FILES, MASKED, MIRROR, 5])).digest('hex').slice(0, 16)

const run = (command: string, args: readonly string[], timeout = 10 * MINUTES): { ok: boolean; text: string } => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' } })
  return { ok: status === 0, text: `${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-6).join('\n') }
}

/** What is missing to build or start a guest; null where nothing is. */
const lacking = (): string | null => {
  if (process.arch !== 'x64') return `needs an x86-64 machine, this is ${process.arch}`
  if (!existsSync(QEMU)) return 'needs qemu-system-x86'
  return null
}

const settle = (root: string): void => {
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  chmodSync(join(root, '/usr/local/sbin/agentmem-guest'), 0o755)
  for (const unit of MASKED) symlinkSync('/dev/null', join(root, '/etc/systemd/system', unit))
}

/** Builds the image in `folder`; the text says what went wrong, null that nothing did. */
const build = (folder: string, { suites, packages, imageSize }: Flavour): string | null => {
  const root = join(folder, 'root')
  const options = ['--mode=root', '--variant=apt', '--format=directory', '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::Check-Date "false"', `--include=${[...PACKAGES, ...packages].join(',')}`, ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`)]
  const made = run('mmdebstrap', [...options, SUITE, root, ...suites.map((suite) => `deb ${MIRROR} ${suite} main`)], 40 * MINUTES)
  if (!made.ok) return `mmdebstrap failed: ${made.text}`
  settle(root)
  for (const user of USERS) {
    const added = run('chroot', [root, 'useradd', '--create-home', '--shell', '/bin/bash', user])
    if (!added.ok) return `useradd ${user} failed: ${added.text}`
  }
  const enabled = run('chroot', [root, 'systemctl', 'enable', 'agentmem-guest.service'])
  if (!enabled.ok) return `systemctl enable failed: ${enabled.text}`
  for (const part of ['vmlinuz', 'initrd.img']) {
    const file = readdirSync(join(root, 'boot')).find((name) => name.startsWith(`${part}-`))
    if (file === undefined) return `the kernel's package brought no ${part}`
    copyFileSync(join(root, 'boot', file), join(folder, part))
    rmSync(join(root, 'boot', file))
  }
  const image = run('mke2fs', ['-q', '-t', 'ext4', '-d', root, join(folder, 'root.img'), imageSize])
  rmSync(root, { recursive: true, force: true })
  return image.ok ? null : `mke2fs failed: ${image.text}`
}

/** The base image from the cache, or built now; about two minutes on a fresh machine. */
export const ensureImage = (say: (text: string) => void, name: FlavourName = 'plain'): ImageResult => {
  const missing = lacking()
  if (missing !== null) return { ok: false, reason: missing }
  const flavour = FLAVOURS[name]
  const folder = join(CACHE, `${name}-${keyOf(flavour)}`)
  const value = { image: join(folder, 'root.img'), kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img') }
  if (existsSync(value.image)) return { ok: true, value }
  if (process.getuid?.() !== 0) return { ok: false, reason: 'needs root to build the guest once' }
  for (const program of ['mmdebstrap', 'mke2fs']) if (!run('which', [program]).ok) return { ok: false, reason: `needs ${program}` }
  say(`building the guest in ${folder}, once ...`)
  const temporary = `${folder}.${process.pid}`
  mkdirSync(temporary, { recursive: true })
  try {
    const problem = build(temporary, flavour)
    if (problem !== null) return { ok: false, reason: `needs a Debian mirror: ${problem}` }
    if (!existsSync(folder)) renameSync(temporary, folder)
    return { ok: true, value }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}
