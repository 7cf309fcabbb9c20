import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ErrorCode, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { checkedCommand, forSudoPrompt, isPlainPath, terminalCommand, whyNot } from './as-root.ts'
import { placesOf } from './bundle.ts'
import { createInstaller } from './installer.ts'
import { alterableByOthers } from './trusted-folder.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const SCRIPT = `#!/bin/sh
places() {
  cat <<'END'
system/a.service usr/lib/systemd/system/a.service
END
}
printf '%s\\n' "$@" >"$OUT"
`
let folder = ''
const bundle = (): string => join(folder, 'build', 'helper')
const script = (): string => join(bundle(), 'install.sh')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-install-'))
  mkdirSync(join(bundle(), 'system'), { recursive: true })
  for (const [name, text] of [['install.sh', SCRIPT], ['node', 'n'], ['system/a.service', 'unit']] as const) writeFileSync(join(bundle(), name), text)
  writeFileSync(join(bundle(), 'MANIFEST'), ['install.sh', 'node', 'system/a.service'].map((name) => `${sha256(readFileSync(join(bundle(), name), 'utf8'))}  ${name}\n`).join(''))
})
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })
const installer = (run = vi.fn(async (_command: string): Promise<Result<string>> => ok(''))) => ({ run, it: createInstaller({ projectDir: folder, run, installedDir: join(folder, 'installed') }) })

describe('the plan of installing', () => {
  it('names every file with size and mode, the script, its digest and the terminal command', async () => {
    const plan = await installer().it.plan()
    if (!plan.ok) throw new Error(plan.error.message)
    const { files, command, scriptSha256, problem, installed } = plan.value
    expect({ installed, problem, scriptSha256 }).toEqual({ installed: false, problem: null, scriptSha256: sha256(SCRIPT) })
    expect(files).toContainEqual(expect.objectContaining({ path: '/usr/lib/agentmem/node', sizeBytes: 1, mode: '0755' }))
    expect(files).toContainEqual(expect.objectContaining({ path: '/usr/lib/systemd/system/a.service', sizeBytes: 4, mode: '0644' }))
    expect(files).toContainEqual(expect.objectContaining({ path: '/usr/bin/agentmemctl', mode: 'link' }))
    expect(files.every((file) => file.what !== '')).toBe(true)
    expect(command).toBe(terminalCommand(script(), sha256(SCRIPT), ['install', bundle(), sha256(readFileSync(join(bundle(), 'MANIFEST'), 'utf8'))]))
  })

  it('says what is missing instead of failing', async () => {
    rmSync(bundle(), { recursive: true })
    expect(await installer().it.plan()).toMatchObject({ ok: true, value: { files: [], problem: { code: 'not-supported' } } })
  })

  it('reads all places from the script that is shipped', () => {
    const shipped = placesOf(readFileSync(join(import.meta.dirname, '../../../assets/system/install.sh'), 'utf8'))
    expect(shipped).toContainEqual({ file: 'system/org.agentmem.policy', place: '/usr/share/polkit-1/actions/org.agentmem.policy' })
    expect(shipped.length).toBeGreaterThanOrEqual(7)
  })
})

describe('installing', () => {
  it('asks root only for the script that was shown', async () => {
    const { run, it: made } = installer()
    expect(await made.install(sha256(SCRIPT))).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
    await made.plan()
    expect(await made.install('0'.repeat(64))).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
    expect(run).not.toHaveBeenCalled()
    expect(await made.install(sha256(SCRIPT))).toEqual({ ok: true, value: undefined })
    expect(run.mock.calls[0]?.[0]).toContain(`sh $t/install.sh install ${bundle()} `)
  })

  it('uninstalls nothing where nothing is installed', async () => {
    expect(await installer().it.uninstall()).toMatchObject({ ok: false, error: { code: 'not-supported' } })
  })

  it('runs a checked copy: a script changed after it was shown does not run', () => {
    const out = join(folder, 'out')
    const run = (): void => { execFileSync('sh', ['-c', checkedCommand(script(), sha256(SCRIPT), ['install', bundle(), 'abc'])], { env: { ...process.env, OUT: out }, stdio: 'ignore' }) }
    run()
    expect(readFileSync(out, 'utf8')).toBe(`install\n${bundle()}\nabc\n`)
    rmSync(out)
    writeFileSync(script(), `${SCRIPT}\ntouch ${out}`)
    expect(run).toThrow()
    expect(existsSync(out)).toBe(false)
  })

  it('does so from a terminal as well', () => {
    const out = join(folder, 'out')
    const command = terminalCommand(script(), sha256(SCRIPT), ['install', bundle(), 'abc'])
    const run = (): void => { execFileSync('sh', ['-c', command.replace(/^sudo /u, '')], { env: { ...process.env, OUT: out }, stdio: 'ignore' }) }
    run()
    expect(readFileSync(out, 'utf8')).toBe(`install\n${bundle()}\nabc\n`)
    rmSync(out)
    writeFileSync(script(), `${SCRIPT}\ntouch ${out}`)
    expect(run).toThrow()
    expect(existsSync(out)).toBe(false)
  })

  it.each([
    ['the folder itself', () => bundle(), 0o777],
    ['a folder above it', () => folder, 0o777],
    ['a file in it', () => join(bundle(), 'node'), 0o666],
  ])('hands root nothing that other users can change: %s', async (_, path, mode) => {
    const { run, it: made } = installer()
    chmodSync(path(), mode)
    expect(await made.plan()).toMatchObject({ ok: true, value: { command: '', problem: { code: 'not-supported', about: path(), advice: expect.stringContaining('chmod o-w') } } })
    expect(await made.install(sha256(SCRIPT))).toMatchObject({ ok: false, error: { about: path() } })
    expect(run).not.toHaveBeenCalled()
  })

  it('takes a sticky folder above it, as /tmp is, and refuses what belongs to somebody else', () => {
    chmodSync(folder, 0o1777)
    const uid = lstatSync(bundle()).uid
    expect(alterableByOthers(bundle(), uid)).toBeNull()
    expect(alterableByOthers(bundle(), uid + 1)).toBe(uid === 0 ? null : bundle())
  })

  it('is worked out by the shell of root, not by that of the user', () => {
    // As the library builds its command line.
    const quoted = (command: string): string => `who=user; export who; /bin/sh -c "who=root; ${command.replaceAll('"', '\\"')}"`
    const run = (command: string): string => execFileSync('sh', ['-c', quoted(command)], { encoding: 'utf8' })
    const command = `printf '%s\\n' "$who" $(echo $who) \`echo $who\` 'a\\b'`
    expect(run(forSudoPrompt(command))).toBe('root\nroot\nroot\na\\b\n')
    expect(run(command)).toContain('user')
  })

  it('lets no path into a root shell that the shell would read as more than a path', () => {
    expect(isPlainPath('/home/a/agent-memory_1.0/build/helper')).toBe(true)
    for (const path of ["/home/o'brien/x", '/tmp/$(id)/x', '/tmp/a b', '/tmp/a;b', '/tmp/`x`', 'relative']) expect(isPlainPath(path)).toBe(false)
  })
})

describe('why root was not reached', () => {
  // As sudo-prompt 9.3 and pkexec 122 say it.
  const refused = 'User did not grant permission.'
  const said = 'Error executing command as another user: '
  it.each<[string, ErrorCode, { message: string; code?: number; stderr?: string; stdout?: string }]>([
    ['the dialog was closed', 'authorization-dismissed', { message: refused, code: 126, stderr: `${said}Request dismissed\n` }],
    ['polkit says no, or the password was wrong', 'authorization-denied', { message: refused, code: 127, stderr: `${said}Not authorized\n\nThis incident has been reported.\n` }],
    ['there is no system bus', 'authorization-obtainable', { message: refused, code: 127, stderr: 'Error getting authority: Error initializing authority: Could not connect: No such file or directory\n' }],
    ['pkexec has no rights', 'authorization-obtainable', { message: refused, code: 127, stderr: 'pkexec must be setuid root\n' }],
    ['no dialog can open', 'authorization-obtainable', { message: 'No polkit authentication agent found.', code: 127, stderr: `${said}No authentication agent found.\n` }],
    ['there is no pkexec', 'authorization-obtainable', { message: 'Unable to find pkexec or kdesudo.' }],
    ['root was reached and the script failed', 'internal', { message: 'Command failed: cd', code: 127, stderr: 'agentmem: no MANIFEST\n' }],
  ])('%s', (_what, code, { message, code: exitCode, stderr = '', stdout = '' }) => {
    const failure = whyNot({ error: Object.assign(new Error(message), { code: exitCode }), stdout, stderr })
    expect(failure).toMatchObject({ code })
    if (code !== 'authorization-dismissed') expect(failure.got).toBe(stderr.trim() === '' ? message : stderr.trim())
  })

  it('gives the same command for a terminal, but not to who closed the dialog', async () => {
    const { run, it: made } = installer()
    const plan = await made.plan()
    if (!plan.ok) throw new Error(plan.error.message)
    for (const [code, advice] of [['authorization-obtainable', expect.stringContaining(plan.value.command)], ['authorization-dismissed', undefined]] as const) {
      run.mockResolvedValueOnce(fail(code, 'no'))
      const answer = await made.install(sha256(SCRIPT))
      expect(answer.ok ? null : { code: answer.error.code, advice: answer.error.advice }).toEqual({ code, advice })
    }
  })
})
