import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { processEvidenceSchema } from '../../helper/contract/evidence.ts'
import { openHistory } from '../app/history/open.ts'
import { diagnosisJsonSchema, journalEntrySchema, type Finding, type TraceLine } from '../contract/diagnosis.ts'
import { planViewSchema } from '../contract/views.ts'
import { answers } from './answers.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-cli-'))
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
})
afterAll(() => { rmSync(folder, { recursive: true, force: true }) })

/** As a user without helper, app and session bus would run it. */
const ctl = (words: readonly string[], more: { env?: NodeJS.ProcessEnv; input?: string } = {}): { code: number | null; out: string; err: string } => {
  const { DBUS_SESSION_BUS_ADDRESS: _bus, ...env } = process.env
  const done = spawnSync(process.execPath, [join(import.meta.dirname, 'agentmemctl.cjs'), ...words], {
    encoding: 'utf8',
    cwd: folder,
    input: more.input ?? '',
    env: { ...env, HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'), DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${folder}/none`, ...more.env },
  })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

describe('memory-diagnose', () => {
  it('answers in the shape of the contract, with every rule accounted for', () => {
    const done = ctl(['memory-diagnose', '--detect-leaks', '--json'])
    expect(done.err).toBe('')
    expect(done.code).toBe(0)
    const diagnosis = diagnosisJsonSchema.parse(JSON.parse(done.out))
    expect(diagnosis.leaks).not.toBeNull()
    expect(diagnosis.features.length).toBeGreaterThan(5)
    const silentTwice = diagnosis.silent.filter((rule) => diagnosis.findings.some((finding) => finding.rule === rule))
    expect(silentTwice).toEqual([])
  })

  it('answers with the same bytes for the same captured machine, how long it took left out', () => {
    const root = join(import.meta.dirname, '../../helper/test/machines/debian-13-linux-6.12-zswap')
    const script = `
      import { diagnose } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'diagnosis/diagnose.ts')).href)}
      import { appPaths } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../app/paths.ts')).href)}
      const [root, stateDir] = process.argv.slice(1)
      process.exitCode = await diagnose({ json: true, verbose: false, detectLeaks: false, exitCode: false }, appPaths(process.env, { root, stateDir }))`
    const asked = (state: string): string => {
      const done = spawnSync(process.execPath, ['--input-type=module', '-e', script, root, join(folder, state)], { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: join(folder, 'run') } })
      expect(done).toMatchObject({ status: 0, stderr: '' })
      return done.stdout
    }
    const first = asked('bytes')
    expect(diagnosisJsonSchema.parse(JSON.parse(first))).toEqual(JSON.parse(first))
    expect(first).not.toContain('tookMs')
    // Again with what the first one left, and where there was nothing.
    expect(asked('bytes')).toBe(first)
    expect(asked('bytes-anew')).toBe(first)
  })

  it('has no colours where it is read by a program', () => {
    expect(ctl(['memory-diagnose', '--verbose']).out).not.toContain('\u001b')
  })

  it('tells of each kernel feature what says so, what changed when, its option, and the exact lines to look deeper', () => {
    const { features, findings } = diagnosisJsonSchema.parse(JSON.parse(ctl(['memory-diagnose', '--json']).out))
    const out = ctl(['memory-diagnose', '--verbose']).out.replaceAll(/\s+/gu, ' ')
    for (const { title, since, option } of features) expect(out).toContain(`${title} (since Linux ${since}${option === null ? '' : `, built with ${option}`}): `)
    expect(out).toContain('6.11: takes swappiness=N beside the amount')
    expect(out).toContain(features[0]?.source)
    // What comes and goes may have gone between the two.
    const traced = findings.filter(({ rule }) => out.includes(`[${rule}`)).flatMap(({ lookDeeper }) => lookDeeper)
    for (const id of traced) expect(out).toContain(`or: agentmemctl trace ${id}`)
    if (traced.length > 0) expect(out).toMatch(/\$ sudo (?:perf|bpftrace|sh) /u)
  })

  it('says that it did not look at agents where nobody was there to find them', () => {
    const done = ctl(['memory-diagnose', '--verbose'])
    expect(done.out).toContain('agents.idle could not look: agents: the part that finds them was not asked')
    expect(done.out).toContain('--for 5s begins what')
    expect(done.out).toContain('--detect-leaks does')
  })

  it('explains a rule, and names those there are where it is none', () => {
    const { silent, findings } = diagnosisJsonSchema.parse(JSON.parse(ctl(['memory-diagnose', '--json']).out))
    const rule = findings[0]?.rule ?? silent[0] ?? ''
    if (rule !== '') expect(ctl(['explain', rule]).out).toContain(rule)
    const wrong = ctl(['explain', 'no.such'])
    expect(wrong).toMatchObject({ code: 2, out: '' })
    expect(wrong.err).toContain('There is no rule "no.such"')
    expect(wrong.err).toContain(rule)
  })

  it('tells of what came and went how long ago that was, and does not say that all is well', () => {
    // A history that another program of this user left: found a little ago, gone since.
    const { silent, findings } = diagnosisJsonSchema.parse(JSON.parse(ctl(['memory-diagnose', '--json']).out))
    const rule = silent.find((id) => id !== 'leaks.history') ?? ''
    const finding: Finding = { rule, subject: '', severity: 'warning', topic: 'pressure', title: 'It came and went', explanation: 'A burst.', figures: [{ what: 'Burst', value: 1, unit: 'count', source: 'test', threshold: null, history: null }], solutions: ['a', 'b'].map((id) => ({ id, title: id, what: 'w', tradeOff: 't', sideEffects: 's', scope: 's', undo: 'by-hand', undoWords: 'u', act: { how: 'advice' }, before: [] })), lookDeeper: [] }
    const opened = openHistory(join(folder, 'state/agentmem/history.db'))
    if (!opened.ok) throw new Error(opened.error.message)
    opened.value.writer.addFindings(Date.now() - 50_000, null, [finding, ...findings])
    opened.value.writer.addFindings(Date.now() - 20_000, null, findings)
    opened.value.close()
    const told = ctl(['explain', rule]).out
    expect(told).toMatch(/nothing right now; it was found \d+\s+s\s+ago/u)
    expect(told).toContain('It came and went')
    expect(told).not.toContain('all is well')
    expect(answers.rule.parse(JSON.parse(ctl(['explain', rule, '--json']).out))).toMatchObject({ state: 'found-lately', findings: [], lately: [{ finding: { title: 'It came and went' } }] })
    expect(ctl(['explain', rule, '--for', 'soon'])).toMatchObject({ code: 2, out: '' })
  })

  it('lists the lines to look deeper with that findings name, and refuses what cannot be run', () => {
    const { lines } = JSON.parse(ctl(['trace', '--json']).out) as { lines: TraceLine[] }
    expect(lines.map(({ id }) => id)).toContain('ftrace.oom')
    expect(ctl(['trace']).out).toContain(lines[0]?.command)
    expect(ctl(['trace', 'perf.nothing'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('ftrace.oom') })
    const needing = lines.find(({ process: who }) => who === 'needed')?.id ?? ''
    expect(ctl(['trace', needing])).toMatchObject({ code: 2, err: expect.stringContaining('--pid') })
    expect(ctl(['trace', needing, '--pid', '999999999'])).toMatchObject({ code: 2, err: expect.stringContaining('no process 999999999') })
    expect(ctl(['trace', 'ftrace.oom', '--seconds', '3600'])).toMatchObject({ code: 2, err: expect.stringContaining('at most') })
    // Without a helper nothing runs.
    expect(ctl(['trace', 'ftrace.oom', '--seconds', '1']).code).toBe(3)
  })

  it('says what is no run', () => {
    expect(ctl(['explain', '20260101T000000Z-00000000'])).toMatchObject({ out: '', err: expect.stringContaining('not in the history') })
  })

  it('says what cannot be tried', () => {
    expect(ctl(['try', 'no.such', 'x'])).toMatchObject({ code: 2, err: expect.stringContaining('There is no rule "no.such"') })
    const [rule = ''] = diagnosisJsonSchema.parse(JSON.parse(ctl(['memory-diagnose', '--json']).out)).silent
    expect(ctl(['try', rule, 'x', '--subject', 'nobody'])).toMatchObject({ code: 5, err: expect.stringContaining('not found any more') })
  })
})

describe('memory-enforce', () => {
  it('shows one plan of preset and wishes, and changes nothing', () => {
    const done = ctl(['memory-enforce', '--simulation', '--drop-caches', '--enable-ksm', '--json'])
    expect(done.code).toBe(0)
    const { plan, presetId } = planViewSchema.parse(JSON.parse(done.out))
    expect(presetId).toBe('balanced-enforce')
    expect(plan.steps.some(({ operation }) => operation.op === 'prune-cache' && operation.level === 3)).toBe(true)
  })

  it('takes the preset that is named, and says which there are not', () => {
    expect(planViewSchema.parse(JSON.parse(ctl(['memory-enforce', '--simulation', '--aggressive', '--json']).out)).presetId).toBe('more-agents')
    expect(ctl(['memory-enforce', '--simulation', '--preset', 'nope']).code).not.toBe(0)
  })

  it('asks for nothing where nobody can answer, and without a helper changes nothing', () => {
    expect(ctl(['memory-enforce'])).toMatchObject({ code: 3, err: expect.stringContaining('helper') })
  })
})

describe('memory-watch', () => {
  it('looks as often as it is told, one below the other or a line of JSON each', () => {
    expect(ctl(['memory-watch', '--count', '2', '--interval', '0.2']).out.match(/^Memory /gmu)).toHaveLength(2)
    const lines = ctl(['memory-watch', '--count', '3', '--interval', '0.2', '--json']).out.trim().split('\n')
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ version: 1, machine: { memory: { totalBytes: expect.any(Number) } } })
  })

  it('shows the largest programs of the machine, whoever they belong to', () => {
    // This very process is among the larger ones, or others are larger still.
    const [line = ''] = ctl(['memory-watch', '--count', '1', '--json', '--show-processes']).out.trim().split('\n')
    const { programs } = answers.watch.parse(JSON.parse(line))
    const sizes = programs?.map(({ rssBytes }) => rssBytes) ?? []
    expect(sizes.length).toBeGreaterThan(2)
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
    expect(programs?.some(({ pid }) => pid === process.pid) === true || (sizes.at(-1) ?? 0) >= process.memoryUsage.rss() / 2).toBe(true)
    const text = ctl(['memory-watch', '--count', '2', '--interval', '0.2', '--show-processes']).out
    expect(text.match(/PID {2}LARGEST PROGRAMS +AGENT +RSS, SHARED IN FULL/gu)).toHaveLength(2)
    expect(ctl(['memory-watch', '--count', '1']).out).not.toContain('LARGEST')
  })

  it('wants a time it can keep', () => {
    expect(ctl(['memory-watch', '--interval', '0'])).toMatchObject({ code: 2, err: expect.stringContaining('seconds from 0.2') })
  })
})

describe('processes', () => {
  it('tells every figure of one\'s own processes', () => {
    const shape = z.object({ processes: z.array(processEvidenceSchema) })
    const { processes } = shape.parse(JSON.parse(ctl(['processes', '--json']).out))
    const own = processes.find(({ ref }) => ref.pid === process.pid)
    // This very process is among the larger ones.
    expect(own?.rssBytes.value).toBeGreaterThan(20 * 1024 * 1024)
    expect(own?.virtualBytes.value).toBeGreaterThan(own?.rssBytes.value ?? Infinity)
    expect(own?.minorFaults.value).toBeGreaterThan(1000)
    expect(ctl(['processes']).out).toMatch(/PID {2}PROCESS.*VSZ.*STACK.*MINOR/u)
    expect(ctl(['processes', '999999999'])).toMatchObject({ code: 2, err: expect.stringContaining('No agent has a process') })
  })
})

describe('journal', () => {
  it('keeps notes, finds them by their words, and takes them to another machine', () => {
    expect(ctl(['journal', 'note', 'closed', 'three', 'editors']).code).toBe(0)
    expect(ctl(['journal', 'editors']).out).toContain('closed three editors')
    expect(ctl(['journal', 'search', 'zebra']).out).toContain('Nothing in the journal')
    const exported = ctl(['journal', 'export', '-o', '-'])
    expect(exported.code).toBe(0)
    const elsewhere = { env: { XDG_STATE_HOME: join(folder, 'other') }, input: exported.out }
    expect(ctl(['journal', 'import', '-'], elsewhere).out).toMatch(/^\d+ added, 0 known/u)
    const { entries } = JSON.parse(ctl(['journal', 'editors', '--json'], elsewhere).out) as { entries: unknown[] }
    expect(entries.map((entry) => journalEntrySchema.parse(entry).title)).toEqual(['closed three editors'])
  })

  it('takes down what was done by hand, and says it beside the advice from then on', () => {
    const { findings } = diagnosisJsonSchema.parse(JSON.parse(ctl(['memory-diagnose', '--json']).out))
    const finding = findings.find(({ solutions }) => solutions.some(({ act: { how } }) => how === 'advice' || how === 'command'))
    const solution = finding?.solutions.find(({ act: { how } }) => how === 'advice' || how === 'command')
    if (finding !== undefined && solution !== undefined) {
      const said = ['journal', 'did', finding.rule, solution.id, 'the', 'fan', 'is', 'quiet', '--subject', finding.subject]
      expect(ctl([...said, '--outcome', 'no-gain']).out).toContain('Note: the fan is quiet')
      const again = ctl(['memory-diagnose', '--verbose']).out
      if (again.includes(`[${finding.rule}`)) expect(again).toMatch(/tried on \d+ \w+, won nothing/u)
    }
    expect(ctl(['journal', 'did', 'no.such', 'x'])).toMatchObject({ code: 2, err: expect.stringContaining('not found on this machine') })
    expect(ctl(['journal', 'did', 'no.such', 'x', '--outcome', 'perhaps']).code).toBe(2)
  })

  it('refuses what is no journal', () => {
    writeFileSync(join(folder, 'bad.json'), '{}')
    expect(ctl(['journal', 'import', 'bad.json']).code).not.toBe(0)
    expect(ctl(['journal', 'import', 'not-there.json'])).toMatchObject({ code: 2, err: expect.stringContaining('not-there.json') })
  })
})

describe('what is left for others', () => {
  it('writes a debug snapshot for the user alone, and never over a file', () => {
    expect(ctl(['debug-snapshot', '-o', 'debug.json']).code).toBe(0)
    const path = join(folder, 'debug.json')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ version: 1, what: 'agentmem-debug-snapshot', diagnosis: { version: 1 } })
  })

  it('completes commands, sub-commands, options and choices in bash', () => {
    writeFileSync(join(folder, 'c.bash'), ctl(['completion', 'bash']).out)
    const complete = (...words: string[]): string[] =>
      spawnSync('bash', ['-c', `source c.bash; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _agentmemctl; printf '%s\\n' "\${COMPREPLY[@]}"`], { cwd: folder, encoding: 'utf8' }).stdout.trim().split('\n')
    expect(complete('agentmemctl', 'memory-')).toEqual(['memory-diagnose', 'memory-enforce', 'memory-watch'])
    expect(complete('agentmemctl', 'journal', 'e')).toEqual(['export'])
    expect(complete('agentmemctl', 'report', 'x', '--format', 'p')).toEqual(['pdf'])
    expect(complete('agentmemctl', 'memory-watch', '--sh')).toEqual(['--show-processes'])
  })

  it('has a manual page that names every command', () => {
    const page = ctl(['man']).out
    const commands = [...ctl(['--help']).out.matchAll(/^ {2}([a-z][a-z-]+)(?: |$)/gmu)].map(([, name = '']) => name)
    expect(commands.length).toBeGreaterThan(35)
    for (const name of commands) if (name !== 'help') expect(page).toContain(`.SS ${name.replaceAll('-', '\\-')}`)
  })
})
