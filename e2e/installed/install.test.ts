import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, chownSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { planSchema } from '../../helper/contract/plan.ts'
import { systemRequests } from '../../helper/contract/requests.ts'
import { callerProgram, projectDir, startCaller, startPolkitd, startPrivateSystemBus, startSystemHelper, worldProblem } from './world.ts'

const problem = process.getuid?.() === 0 ? null : 'needs root: installs files that root owns'
const title = (text: string): string => (problem === null ? text : `${text} (${problem})`)
const bundle = join(projectDir, 'build', 'helper')

/** Every file and folder below, with type and mode. */
const treeOf = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const stat = lstatSync(path)
      return `${stat.isSymbolicLink() ? 'l' : stat.isDirectory() ? 'd' : 'f'} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${relative(folder, path)}`
    })
    .toSorted()

const digestOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

const listFiles = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))

describe.skipIf(problem !== null)(title('install.sh'), () => {
  let folder: string
  let small: string
  let dest: string

  const run = (args: string[], from = bundle, env: NodeJS.ProcessEnv = {}, uid?: number) =>
    spawnSync('sh', [join(from, 'install.sh'), ...args], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', DESTDIR: dest, ...env }, ...(uid === undefined ? {} : { uid, gid: uid }) })

  const writeManifest = (at: string): void => {
    const files = listFiles(at).filter((file) => file !== 'MANIFEST')
    writeFileSync(join(at, 'MANIFEST'), files.map((file) => `${digestOf(join(at, file))}  ${file}\n`).join(''))
  }
  /** The bundle with a Node that does nothing, so that copies are cheap; `spoil` changes it. */
  const copyWith = (spoil: (at: string) => void): string => {
    const at = mkdtempSync(join(folder, 'bundle-'))
    cpSync(small, at, { recursive: true })
    spoil(at)
    return at
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'agentmem-install-'))
    chmodSync(folder, 0o755)
    const built = spawnSync(process.execPath, [join(projectDir, 'tools', 'helper-bundle.mjs')], { encoding: 'utf8' })
    expect(built.status, built.stderr).toBe(0)
    small = join(folder, 'small')
    cpSync(bundle, small, { recursive: true, filter: (source) => source !== join(bundle, 'node') })
    writeFileSync(join(small, 'node'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    writeManifest(small)
  })
  beforeEach(() => {
    dest = mkdtempSync(join(folder, 'dest-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('installs what MANIFEST lists, owned by root and writable by root alone; uninstalls all of it', () => {
    const out = run(['install', bundle, digestOf(join(bundle, 'MANIFEST'))])
    expect(out.status, out.stderr).toBe(0)
    for (const line of readFileSync(join(bundle, 'MANIFEST'), 'utf8').trim().split('\n')) {
      const [digest = '', file = ''] = line.split('  ')
      expect(digestOf(join(dest, 'usr/lib/agentmem', file)), file).toBe(digest)
    }
    const tree = treeOf(dest)
    for (const line of tree) expect(line).toMatch(/^(?:[df] (?:755|644)|l 777) 0:0 /u)
    for (const path of ['usr/share/polkit-1/actions/org.agentmem.policy', 'usr/share/dbus-1/system.d/org.agentmem.Helper1.conf', 'usr/share/dbus-1/system-services/org.agentmem.Helper1.service', 'usr/share/dbus-1/services/org.agentmem.Session1.service', 'usr/lib/systemd/system/agentmem-helper.service', 'usr/lib/systemd/system/agentmem-recover.service', 'usr/lib/systemd/user/agentmem-session.service', 'usr/lib/systemd/user/agentmem-broker.socket']) {
      expect(tree).toContain(`f 644 0:0 ${path}`)
    }
    expect(tree).toContain('f 755 0:0 usr/lib/agentmem/agentmem-broker')
    for (const path of ['usr/share/man/man1/agentmemctl.1', 'usr/share/bash-completion/completions/agentmemctl', 'usr/share/zsh/vendor-completions/_agentmemctl', 'usr/share/fish/vendor_completions.d/agentmemctl.fish']) expect(tree).toContain(`f 644 0:0 ${path}`)
    expect(tree).toContain('l 777 0:0 usr/bin/agentmemctl')
    for (const file of ['dkms.conf', 'Kbuild', 'main.c', 'core/chunk.c', 'uapi/agentmem.h']) expect(tree).toContain(`f 644 0:0 usr/src/agentmem-0.1.0/${file}`)
    expect(tree.filter((line) => line.includes('usr/src/agentmem-0.1.0/test'))).toEqual([])
    expect(run(['uninstall']).status).toBe(0)
    expect(treeOf(dest)).toEqual([])
  })

  test('an ordinary user has agentmemctl, with its own Node and nothing of the checkout', () => {
    expect(run(['install', bundle]).status).toBe(0)
    const home = join(dest, 'home')
    mkdirSync(home)
    chownSync(home, 65_534, 65_534)
    chmodSync(dest, 0o755)
    const PATH = `${dest}/usr/bin:/usr/bin:/bin`
    const ctl = (...words: string[]) => spawnSync('agentmemctl', words, { cwd: '/', encoding: 'utf8', uid: 65_534, gid: 65_534, env: { PATH, HOME: home } })
    // With the presets it came with, and a history of the user's own.
    const presets = ctl('presets', '--json')
    expect(presets.status, presets.stderr).toBe(0)
    expect(presets.stdout).toContain('more-agents')
    const kept = ctl('journal', 'note', 'seen')
    expect(kept.status, kept.stderr).toBe(0)
    expect(ctl('journal', '--json').stdout).toContain('seen')
    const found = ctl('memory-diagnose', '--json')
    expect(found.status, found.stderr).toBe(0)
    expect(JSON.parse(found.stdout)).toHaveProperty('findings')
    expect(existsSync(join(home, '.local/state/agentmem/history.db'))).toBe(true)
    const file = 'usr/share/bash-completion/completions/agentmemctl'
    expect(ctl('completion', 'bash').stdout).toBe(readFileSync(join(dest, file), 'utf8'))
    expect(ctl('man').stdout).toBe(readFileSync(join(dest, 'usr/share/man/man1/agentmemctl.1'), 'utf8'))
    const words = spawnSync('bash', ['-c', `source ${file}; COMP_WORDS=(agentmemctl memory-); COMP_CWORD=1; _agentmemctl; echo "\${COMPREPLY[@]}"`], { cwd: dest, encoding: 'utf8' })
    expect(words.stdout.trim()).toBe('memory-diagnose memory-enforce memory-watch')
    rmSync(home, { recursive: true })
    expect(run(['uninstall']).status).toBe(0)
    expect(treeOf(dest)).toEqual([])
  })

  test('a command of that name that is another\'s stays', () => {
    mkdirSync(join(dest, 'usr/bin'), { recursive: true })
    writeFileSync(join(dest, 'usr/bin/agentmemctl'), 'theirs')
    const out = run(['install', small], small)
    expect(out.status, out.stderr).toBe(0)
    expect(out.stdout).toContain('no link of ours: it stays')
    expect(run(['uninstall'], small).status).toBe(0)
    expect(treeOf(dest)).toEqual(['d 755 0:0 usr', 'd 755 0:0 usr/bin', 'f 644 0:0 usr/bin/agentmemctl'])
  })

  test('a new version replaces the old one whole, and uninstalling still leaves nothing', () => {
    expect(run(['install', small], small).status).toBe(0)
    const old = copyWith((at) => {
      writeFileSync(join(at, 'left-over.js'), '')
      writeManifest(at)
    })
    expect(run(['install', old], old).status).toBe(0)
    expect(existsSync(join(dest, 'usr/lib/agentmem/left-over.js'))).toBe(true)
    expect(run(['install', small], small).status).toBe(0)
    expect(existsSync(join(dest, 'usr/lib/agentmem/left-over.js'))).toBe(false)
    expect(run(['uninstall'], small).status).toBe(0)
    expect(treeOf(dest)).toEqual([])
  })

  test('sources of the kernel module of an earlier version go, those of others stay', () => {
    const sources = (name: string, conf: string): void => {
      mkdirSync(join(dest, 'usr/src', name), { recursive: true })
      writeFileSync(join(dest, 'usr/src', name, 'dkms.conf'), conf)
    }
    sources('agentmem-0.0.9', 'PACKAGE_NAME="agentmem"\nPACKAGE_VERSION="0.0.9"\n')
    sources('agentmem-7', 'PACKAGE_NAME="agentmem-tools"\n')
    expect(run(['install', small], small).status).toBe(0)
    expect(readdirSync(join(dest, 'usr/src')).toSorted()).toEqual(['agentmem-0.1.0', 'agentmem-7'])
    expect(run(['uninstall'], small).status).toBe(0)
    expect(readdirSync(join(dest, 'usr/src'))).toEqual(['agentmem-7'])
  })

  test('files and folders of others stay', () => {
    const foreign = join(dest, 'usr/share/dbus-1/services')
    mkdirSync(foreign, { recursive: true })
    mkdirSync(join(dest, 'usr/lib/systemd/user'), { recursive: true })
    writeFileSync(join(foreign, 'org.other.service'), 'theirs')
    const before = treeOf(dest)
    expect(run(['install', small], small).status).toBe(0)
    expect(run(['uninstall'], small).status).toBe(0)
    expect(treeOf(dest)).toEqual(before)
    expect(run(['uninstall'], small).status).toBe(0)
  })

  const spoils: [string, (at: string) => void, RegExp][] = [
    ['a changed file', (at) => appendFileSync(join(at, 'system.js'), '//'), /digest/u],
    ['a file that MANIFEST does not list', (at) => writeFileSync(join(at, 'extra.js'), ''), /other files/u],
    ['a missing file', (at) => rmSync(join(at, 'session.js')), /other files/u],
    ['a bundle without the helper', (at) => { rmSync(join(at, 'system.js')); writeManifest(at) }, /lacks system\.js/u],
    ['a bundle without its policy', (at) => { rmSync(join(at, 'system/org.agentmem.policy')); writeManifest(at) }, /lacks system\/org\.agentmem\.policy/u],
    ['no MANIFEST', (at) => rmSync(join(at, 'MANIFEST')), /no MANIFEST/u],
    ['a name that leads out', (at) => appendFileSync(join(at, 'MANIFEST'), `${'0'.repeat(64)}  ../../etc/passwd\n`), /another form/u],
    ['a link in place of a file', (at) => { rmSync(join(at, 'agentmem-run')); symlinkSync('/etc/shadow', join(at, 'agentmem-run')) }, /links/u],
    ['a link in place of a folder', (at) => { rmSync(join(at, 'man'), { recursive: true }); symlinkSync(join(small, 'man'), join(at, 'man')) }, /links/u],
    ['a pipe that never ends', (at) => { rmSync(join(at, 'LICENSE')); spawnSync('mkfifo', [join(at, 'LICENSE')]) }, /special files/u],
  ]
  test.each(spoils)('refuses %s and leaves nothing behind', (_what, spoil, message) => {
    const at = copyWith(spoil)
    const out = run(['install', at], small)
    expect(out.status).toBe(1)
    expect(out.stderr).toMatch(message)
    expect(treeOf(dest)).toEqual([])
  })

  test('refuses a bundle that is not the one shown, and keeps the installed one', () => {
    expect(run(['install', small], small).status).toBe(0)
    const before = treeOf(dest)
    const out = run(['install', small, '0'.repeat(64)], small)
    expect(out.status).toBe(1)
    expect(out.stderr).toContain('not the one that was shown')
    expect(treeOf(dest)).toEqual(before)
  })

  test('refuses wrong usage and anybody but root', () => {
    chmodSync(small, 0o755)
    for (const args of [[], ['install'], ['install', small, 'x', 'y'], ['uninstall', 'now'], ['remove']]) expect(run(args, small).status, args.join(' ')).toBe(1)
    const out = run(['install', small], small, {}, 65_534)
    expect(out.status).toBe(1)
    expect(out.stderr).toContain('needs root')
    expect(treeOf(dest)).toEqual([])
  })

  test('uninstalling gives back the files of the root it is told', () => {
    const telling = copyWith((at) => {
      writeFileSync(join(at, 'node'), '#!/bin/sh\necho "$@" >"$OUT"\n', { mode: 0o755 })
      writeManifest(at)
    })
    const out = join(folder, 'arguments')
    for (const [env, root] of [[{}, `${dest}/`], [{ KERNEL_ROOT: '/' }, '/']] as const) {
      expect(run(['install', telling], telling).status).toBe(0)
      mkdirSync(join(dest, 'var/lib/agentmem/journal'), { recursive: true })
      expect(run(['uninstall'], telling, { ...env, OUT: out }).status).toBe(0)
      expect(readFileSync(out, 'utf8')).toContain(`--rollback-all --root ${root} --state-dir ${dest}/var/lib/agentmem`)
    }
  })

  test('uninstalling removes nothing while a run cannot be undone', () => {
    const stubborn = copyWith((at) => {
      writeFileSync(join(at, 'node'), '#!/bin/sh\necho "swap does not fit" >&2\nexit 1\n', { mode: 0o755 })
      writeManifest(at)
    })
    expect(run(['install', stubborn], stubborn).status).toBe(0)
    mkdirSync(join(dest, 'var/lib/agentmem/journal'), { recursive: true })
    const before = treeOf(dest)
    const out = run(['uninstall'], stubborn)
    expect(out.status).toBe(1)
    expect(out.stderr).toContain('swap does not fit')
    expect(out.stderr).toContain('Nothing was removed')
    expect(treeOf(dest)).toEqual(before)
  })

  const worldless = worldProblem()
  test.skipIf(worldless !== null)(`uninstalling undoes kept runs first: every setting goes back${worldless === null ? '' : ` (${worldless})`}`, async () => {
    cpSync(join(projectDir, 'helper/test/machines/debian-12-linux-6.18-cgroup-v1'), dest, { recursive: true })
    const files = () => listFiles(dest).map((file) => `${file} ${digestOf(join(dest, file))}`).toSorted()
    const before = files()
    expect(run(['install', bundle]).status).toBe(0)
    const bus = await startPrivateSystemBus()
    const polkitd = await startPolkitd(bus, '')
    const lib = join(dest, 'usr/lib/agentmem')
    // The installed program itself, not the checkout.
    const helper = await startSystemHelper({ bus, root: dest, stateDir: join(dest, 'var/lib/agentmem'), command: [join(lib, 'node'), join(lib, 'system.js')] })
    const caller = await startCaller(bus, 0)
    try {
      const settings = { ksm: { mode: 'merge', pagesToScan: 321 } }
      const plan = planSchema.parse((await caller.call('Plan', { settings, agents: [] })).value)
      const applied = await caller.call('Apply', { presetId: 'x', presetTitle: 'X', settings, digest: plan.digest, cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 60_000 })
      const { runId } = systemRequests.Apply.response.parse(applied.value)
      await caller.waitForSignal((heard) => heard.signal === 'Outcome')
      expect(await caller.call('Keep', { runId })).toMatchObject({ ok: true })
    } finally {
      await caller.stop()
      await helper.stop()
      await polkitd.stop()
      await bus.stop()
    }
    expect(readFileSync(join(dest, 'sys/kernel/mm/ksm/run'), 'utf8').trim()).toBe('1')
    const out = run(['uninstall'])
    expect(out.status, out.stderr).toBe(0)
    // Kernel files are compared by value: writing one leaves no line end.
    expect(readFileSync(join(dest, 'sys/kernel/mm/ksm/run'), 'utf8').trim()).toBe('0')
    expect(files().filter((line) => !line.startsWith('sys/kernel/mm/ksm/'))).toEqual(before.filter((line) => !line.startsWith('sys/kernel/mm/ksm/')))
    expect(readdirSync(dest).toSorted()).not.toContain('usr')
  })

  const placeless = ((): string | null => {
    if (worldless !== null) return worldless
    if (!readFileSync('/proc/filesystems', 'utf8').includes('\toverlay\n')) return 'needs overlayfs: nothing is written to the real /usr'
    if (existsSync('/usr/lib/agentmem')) return 'needs a machine where the helper is not installed'
    return null
  })()
  test.skipIf(placeless !== null)(`in its real place the bus starts it for an ordinary user, and uninstalling ends it${placeless === null ? '' : ` (${placeless})`}`, () => {
    const caller = callerProgram(folder, 1)
    const out = spawnSync('unshare', ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', join(projectDir, 'e2e/installed/real-place.sh'), projectDir, caller.node, caller.script], { encoding: 'utf8' })
    expect(out.status, out.stdout + out.stderr).toBe(0)
    const lines = out.stdout.trim().split('\n')
    const { answer } = JSON.parse(lines.find((line) => line.startsWith('answer '))?.slice(7) ?? '{}') as { answer?: string }
    expect(JSON.parse(answer ?? 'null')).toMatchObject({ ok: true, value: { role: 'system' } })
    expect(lines).toContain('helper 1')
    expect(lines).toContain('command same')
    expect(lines).toContain('command agents')
    expect(lines).toContain('helper after 0')
    expect(lines.filter((line) => line.startsWith('left '))).toEqual([])
  })
})
