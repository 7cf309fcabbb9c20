import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCodeSchema } from '../../helper/contract/errors.ts'
import { snapshotSchema } from '../../helper/contract/snapshot.ts'
import { planViewSchema } from '../contract/views.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { table } from './print.ts'

const projectDir = join(import.meta.dirname, '../..')
const hasBus = spawnSync('dbus-daemon', ['--version']).status === 0
const hasLauncher = existsSync(join(projectDir, 'build/native/agentmem-run'))
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-cli-'))
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
})
afterAll(() => { rmSync(folder, { recursive: true, force: true }) })

/** As a user without helper, app and session bus would run it. */
const ctl = (...words: string[]): { code: number | null; out: string; err: string } => {
  const { DBUS_SESSION_BUS_ADDRESS: _bus, ...env } = process.env
  const done = spawnSync(process.execPath, [join(import.meta.dirname, 'agentmemctl.cjs'), ...words], {
    encoding: 'utf8',
    env: { ...env, HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'), DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${folder}/none` },
  })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

describe('exit codes', () => {
  it('tell each failure apart from success', () => {
    for (const code of errorCodeSchema.options) expect(exitCodeOf(code)).toBeGreaterThan(EXIT.ok)
  })
})

describe('tables', () => {
  it('align figures right and leave no trailing blanks', () => {
    expect(table(['A', 'N'], [['x', '10'], ['long', '9']], [1])).toBe('A      N\nx     10\nlong   9')
  })
})

describe('agentmemctl', () => {
  it('answers a wrong command line with usage and 2', () => {
    expect(ctl('nope')).toMatchObject({ code: 2, out: '' })
    expect(ctl('keep', 'not-a-run').err).toContain('20261121T093005Z-1a2b3c4d')
    expect(ctl('report', '20261121T093005Z-1a2b3c4d', '--format', 'doc').code).toBe(2)
    expect(ctl('compare', '0', 'x').code).toBe(2)
    expect(ctl('--help')).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes:') })
  })

  it('names a run that is not there', () => {
    expect(ctl('report', '20261121T093005Z-1a2b3c4d')).toMatchObject({ code: 1, err: expect.stringContaining('not in the history') })
  })

  it('says that no app runs', () => {
    expect(ctl('open')).toMatchObject({ code: 3, err: expect.stringContaining('not running') })
  })

  it('under an older Node starts itself under its own, and names what can be typed', () => {
    const older = join(folder, 'older.cjs')
    writeFileSync(older, "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.0' } })\n")
    const called = join(import.meta.dirname, 'agentmemctl.cjs')
    const env = { HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_STATE_HOME: join(folder, 'state'), PATH: '/nowhere', DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${folder}/none` }
    const own = spawnSync(process.execPath, ['--require', older, called, 'memory-diagnose'], { encoding: 'utf8', env: { ...env, AGENTMEM_NODE: process.execPath } })
    expect(own).toMatchObject({ status: 0, stdout: expect.stringContaining('found') })
    expect(own.stderr).toContain(`here it is ${called}.`)
  })

  it('lists presets, and names a file that is none', () => {
    mkdirSync(join(folder, 'config/agentmem/presets'), { recursive: true })
    writeFileSync(join(folder, 'config/agentmem/presets/bad.json'), '{')
    const { code, out, err } = ctl('presets')
    expect(code).toBe(0)
    expect(out).toContain('more-agents')
    expect(out).not.toContain('layer-ksm-on')
    expect(err).toContain('bad.json is left out')
    expect(ctl('presets', '--all').out).toMatch(/^layer-ksm-on .*^action-page-out |^action-page-out .*^layer-ksm-on /msu)
  })

  it('lists the layers and which can be switched', () => {
    const { code, out } = ctl('layers')
    expect(code).toBe(0)
    expect(out).toMatch(/^compressed-swap +(on|off|partial|unavailable) /mu)
    expect(out).toContain('agentmemctl layer on|off compressed-swap|ksm')
    const json = JSON.parse(ctl('layers', '--json').out) as { version: number; layers: { id: string; switchable: boolean }[] }
    expect(json.version).toBe(1)
    expect(json.layers.filter((layer) => layer.switchable).map((layer) => layer.id)).toEqual(['compressed-swap', 'ksm', 'kernel-module'])
  })

  it('refuses a layer or a level that is none, and says what there is', () => {
    expect(ctl('layer', 'on', 'zswap')).toMatchObject({ code: 2, err: expect.stringMatching(/no layer "zswap"[\s\S]*compressed-swap, ksm/u) })
    expect(ctl('layer', 'maybe', 'ksm')).toMatchObject({ code: 2, err: expect.stringContaining('Expected "on" or "off"') })
    expect(ctl('layer', 'on', 'mapped-store')).toMatchObject({ code: 6, err: expect.stringContaining('cannot be switched in this version') })
    expect(ctl('layer', 'on', 'ksm', '--backing', '4')).toMatchObject({ code: 2, err: expect.stringContaining('Only the kernel module') })
    expect(ctl('layer', 'on', 'kernel-module', '--backing', '4G')).toMatchObject({ code: 2, err: expect.stringContaining('whole GB from 1 to 1024') })
    expect(ctl('drop-caches', '4')).toMatchObject({ code: 2, err: expect.stringContaining('1 (file contents)') })
    expect(ctl('drop-caches').code).toBe(2)
  })
})

describe.skipIf(!hasBus)('agentmemctl with a session role (needs dbus-daemon)', () => {
  it('prints a snapshot of the contract', () => {
    const { code, out } = ctl('snapshot', '--json')
    expect(code).toBe(0)
    expect(snapshotSchema.parse(JSON.parse(out)).counts.seen).toBeGreaterThan(0)
  })

  it('keeps snapshots and compares them', () => {
    expect(ctl('snapshot', '--save', 'one').out).toContain('snapshot 1')
    expect(ctl('snapshot', '--save', 'two').out).toContain('snapshot 2')
    expect(ctl('compare', '1', '2')).toMatchObject({ code: 0, out: expect.stringContaining('Available memory') })
    expect(ctl('compare', '1', '9')).toMatchObject({ code: 2, err: expect.stringContaining('no longer in the history') })
  })

  it('plans as a simulation and applies nothing without the helper', () => {
    const plan = ctl('plan', 'balanced', '--json')
    expect(plan.code).toBe(0)
    expect(planViewSchema.parse(JSON.parse(plan.out)).simulation).toBe(true)
    const applied = ctl('apply', 'balanced', '--yes', '--json')
    expect(applied.code).toBe(3)
    expect(JSON.parse(applied.out)).toMatchObject({ error: { code: 'helper-missing' } })
    for (const words of [['layer', 'on', 'ksm', '--keep'], ['drop-caches', '1'], ['page-out', '--keep']]) {
      const done = ctl(...words, '--yes', '--json')
      expect(done.code).toBe(3)
      expect(JSON.parse(done.out)).toMatchObject({ error: { code: 'helper-missing' } })
    }
    expect(ctl('drop-caches', '2', '--yes').out).toMatch(/drop_caches: \? -> 2[\s\S]*Undo: nothing to undo/u)
    expect(ctl('page-out', '1', '--yes', '--json')).toMatchObject({ code: 1, out: expect.stringContaining('no longer running') })
    expect(ctl('undo').code).toBe(3)
    expect(ctl('runs').out).toContain('No runs yet')
    // A dozen commands, each with a bus and a session role of its own.
  }, 180_000)
})

describe.skipIf(!hasLauncher)('agentmemctl run (needs build/native, which npm test builds)', () => {
  it('gives back the exit code of the command and leaves its options alone', () => {
    expect(ctl('run', '--', 'sh', '-c', 'exit 7').code).toBe(7)
    expect(ctl('run', 'echo', '--json', '-x').out).toBe('--json -x\n')
    expect(ctl('run', '--share', '--', 'echo', '--share').out).toBe('--share\n')
    expect(ctl('run', '--share', 'sh', '-c', 'echo "$LD_PRELOAD"').out).toMatch(/agentmem-share\.so\n$/u)
  })
})
