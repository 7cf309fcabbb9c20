import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/**
 * The import rules of the house, proved on a copy of the tree: each wrong
 * import must be refused by the compiler or by the lint block, and a right one
 * must pass, so that a rule that refuses everything would fail here too.
 */
const project = new URL('..', import.meta.url).pathname
let copy = ''

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'agentmem-imports-'))
  // Configuration and contracts only: the probes below are the code under test.
  for (const file of ['package.json', 'tsconfig.json', '.oxlintrc.json', 'tools/tsconfig.base.json']) cpSync(join(project, file), join(copy, file), { recursive: true })
  const rooms = ['helper/contract', 'helper/observe', 'helper/plan', 'helper', 'electron/contract', 'native/user/node', 'electron/app', 'electron/shell', 'renderer']
  for (const room of rooms) cpSync(join(project, room, 'tsconfig.json'), join(copy, room, 'tsconfig.json'), { recursive: true })
  for (const room of ['helper/contract', 'electron/contract']) {
    for (const file of readdirSync(join(project, room))) if (file.endsWith('.ts') && !file.endsWith('.test.ts')) cpSync(join(project, room, file), join(copy, room, file))
  }
  for (const room of ['helper/observe', 'helper/plan', 'helper/change', 'native/user/node', 'electron/app', 'electron/app/history', 'electron/shell', 'renderer', 'renderer/stores']) {
    mkdirSync(join(copy, room), { recursive: true })
    writeFileSync(join(copy, room, 'here.ts'), 'export const here = 1\n')
  }
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

const compile = (room: string) => spawnSync(process.execPath, [join(project, 'node_modules/typescript/bin/tsc'), '-b', join(copy, room)], { encoding: 'utf8' })
const lint = (file: string) => spawnSync(process.execPath, [join(project, 'node_modules/oxlint/bin/oxlint'), file], { cwd: copy, encoding: 'utf8' })

const withProbe = <T>(file: string, text: string, check: (path: string) => T): T => {
  const path = join(copy, file)
  writeFileSync(path, text)
  try {
    return check(path)
  } finally {
    rmSync(path)
  }
}

describe('the compiler refuses', () => {
  const wrong = [
    ['renderer', 'renderer/probe.ts', "import { here } from '../helper/observe/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['renderer', 'renderer/probe.ts', "import { here } from '../electron/app/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['renderer', 'renderer/probe.ts', "import { readFileSync } from 'node:fs'\nexport const probe = readFileSync\n", 'TS2591'],
    ['helper/contract', 'helper/contract/probe-import.ts', "import { here } from '../observe/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['helper/contract', 'helper/contract/probe-import.ts', 'export const probe = process.pid\n', 'TS2591'],
    ['helper/contract', 'helper/contract/probe-import.ts', 'export const probe = document.title\n', 'TS2584'],
    ['helper/observe', 'helper/observe/probe.ts', "import { here } from '../change/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['helper', 'helper/probe.ts', "import { here } from '../electron/app/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['electron/app', 'electron/app/probe.ts', "import { here } from '../../helper/change/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['renderer', 'renderer/probe.ts', "import { here } from '../native/user/node/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['helper', 'helper/probe.ts', "import { here } from '../native/user/node/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['native/user/node', 'native/user/node/probe.ts', "import { here } from '../../../helper/observe/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['native/user/node', 'native/user/node/probe.ts', "import { here } from '../../../electron/app/here.ts'\nexport const probe = here\n", 'TS6307'],
    ['electron/app', 'electron/app/probe.ts', "import { here } from '../../renderer/here.ts'\nexport const probe = here\n", 'TS6307'],
  ] as const
  it.each(wrong)('in %s: %s importing %j', (room, file, text, code) => {
    const { status, stdout } = withProbe(file, text, () => compile(room))
    expect(stdout).toContain(code)
    expect(status).not.toBe(0)
  })

  it('and takes a right one', () => {
    const text = "import { here } from '../../helper/observe/here.ts'\nimport { here as units } from '../../native/user/node/here.ts'\nimport { known } from '../../helper/contract/known.ts'\nexport const probe = known(here + units)\n"
    const { status, stdout } = withProbe('electron/app/probe.ts', text, () => compile('electron/app'))
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })
})

describe('the lint block refuses', () => {
  const wrong = [
    ['helper/contract/probe-import.ts', "import React from 'react'\nexport const probe = React\n", 'zod and its own files'],
    ['helper/change/probe.ts', "import Database from 'better-sqlite3'\nexport const probe = Database\n", 'small and auditable'],
    ['native/user/node/probe.ts', "import { z } from 'zod'\nexport const probe = z\n", 'Node alone'],
    ['native/user/node/probe.ts', "import { here } from '../../../helper/observe/here.ts'\nexport const probe = here\n", 'Node alone'],
    ['helper/observe/probe.ts', "import { here } from '../../native/user/node/here.ts'\nexport const probe = here\n", 'towards trust'],
    ['electron/app/probe.ts', "import { app } from 'electron'\nexport const probe = app\n", 'Only electron/shell'],
    ['electron/app/probe.ts', "import Database from 'better-sqlite3'\nexport const probe = Database\n", 'Only electron/app/history'],
    ['renderer/probe.ts', "import Database from 'better-sqlite3'\nexport const probe = Database\n", 'The window imports'],
    ['renderer/stores/probe.ts', 'export const probe = window.location.href\n', 'Only renderer/api.ts'],
  ] as const
  it.each(wrong)('%s: %j', (file, text, message) => {
    const { status, stdout } = withProbe(file, text, lint)
    expect(stdout.replaceAll(/\s+/gu, ' ')).toContain(message)
    expect(status).not.toBe(0)
  })

  it('and takes right ones', () => {
    const sql = withProbe('electron/app/history/probe.ts', "import Database from 'better-sqlite3'\nexport const probe = Database\n", lint)
    expect(sql.stdout).not.toContain('restricted')
    const window = withProbe('renderer/api.ts', 'export const probe = window.location.href\n', lint)
    expect(window.stdout).not.toContain('restricted')
  })
})

describe('the copy', () => {
  it('is checked by the compiler of the project', () => {
    expect(execFileSync(process.execPath, [join(project, 'node_modules/typescript/bin/tsc'), '--version'], { encoding: 'utf8' })).toMatch(/^Version 7\./u)
  })
})
