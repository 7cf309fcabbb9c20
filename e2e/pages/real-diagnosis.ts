/**
 * Every command of the diagnosis, and its three pages, for real: installed
 * helper, few agents, and a run with which memory does not fall, of which
 * window, command line and report have to say why. Needs root:
 * node e2e/pages/real-diagnosis.ts. Leaves build/screenshots/real-diagnosis.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reportFormatSchema } from '../../electron/contract/views.ts'
import { asUser } from '../fixtures/fleet/ground.ts'
import { startJob, valueOf } from '../installed/job.ts'
import { startProgram } from '../installed/world.ts'
import { launchChromium } from '../mocked/browser.ts'
import { walkDiagnosis, walkJournal, walkLeaks } from './diagnosis-stages.ts'
import { openWindow, terminal } from './real-window.ts'
import { shooter } from './shoot.ts'

const folder = new URL('../../build/screenshots/real-diagnosis/', import.meta.url).pathname
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const SIZES = [{ width: 900, height: 600 }, { width: 1440, height: 900 }, { width: 2560, height: 1440 }] as const
const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)
const problems: string[] = []
const must = (what: string, holds: boolean): void => {
  say(`${holds ? 'as it must be' : 'WRONG'}: ${what}`)
  if (!holds) problems.push(what)
}
/** Gets pages and gives them back again and again: a finding that there are lines to look deeper with for. */
const CHURN = `
import mmap
print('churning', flush=True)
while True:
  held = mmap.mmap(-1, 16 << 20)
  for at in range(0, 16 << 20, 4096): held[at] = 1
  held.close()
`
const WHY = 'Only limits and settings were changed'

const undo: (() => Promise<unknown>)[] = []
const job = await startJob({ plain: { 'claude-code': 1, 'gemini-cli': 1 }, launched: { 'claude-code': 1 } })
const browser = await launchChromium()
try {
  const { user } = job.fleet
  const window = await openWindow(job, browser, user, { viewport: SIZES[1], undo, say })
  const { page } = window
  const shoot = shooter(page, { folder, sizes: SIZES, rest: SIZES[1], wide: (name, width, px) => must(`${name} at ${width} px does not scroll sideways`, px <= 0) })
  const stage = { page, shoot, say }
  let said = ''
  /** Runs one command; `codes` are the exit codes that are right here. */
  const ctl = async (words: string, codes: readonly number[] = [0]): Promise<string> => {
    const { text, out, code } = await terminal(job, window, user, words.split(' '))
    said += `${text}\n`
    must(`agentmemctl ${words} ends with ${codes.join(' or ')}, got ${code}; widest line ${Math.max(...text.split('\n').map((line) => line.length))}`, codes.includes(Number(code)))
    return out
  }

  await walkJournal(stage)
  await walkLeaks(stage)
  await ctl('memory-diagnose')
  await ctl('memory-diagnose --detect-leaks --verbose --for 3s')
  const { findings } = JSON.parse(await ctl('memory-diagnose --json')) as { findings: { rule: string; solutions: { id: string; act: { how: string } }[] }[] }
  await ctl('memory-diagnose --exit-code', [0, 10, 11])
  for (const wish of ['', ' --drop-caches', ' --enable-ksm', ' --aggressive', ' --drop-caches --enable-ksm --aggressive', ' --preset everything-off']) await ctl(`memory-enforce --simulation${wish}`)
  await ctl('memory-watch --count 2 --interval 0.5 --no-clear')
  await ctl('memory-watch --count 2 --interval 0.5 --show-processes')
  const found = findings.find(({ solutions }) => solutions.some(({ act }) => act.how === 'try-run' || act.how === 'preset'))
  const solution = found?.solutions.find(({ act }) => act.how === 'try-run' || act.how === 'preset')
  if (found !== undefined && solution !== undefined) {
    await ctl(`explain ${found.rule}`)
    await ctl(`try ${found.rule} ${solution.id} --simulation`)
  }
  await ctl('leaks --since 2h')
  await ctl('trace')
  await ctl('trace perf.page-faults --seconds 1', [0, 6])
  await ctl('agents')
  await ctl('processes')
  await ctl('run -- true')

  // Compressed swap alone moves nothing: memory does not fall, and everybody says why.
  await ctl('snapshot')
  // Where other programs give back more than the noise meanwhile, memory did fall: then once more.
  let run = ''
  for (let tries = 0; tries < 4 && !run.includes(WHY); tries += 1) {
    if (tries > 0) await ctl('undo')
    run = await ctl('layer on compressed-swap --yes --keep')
  }
  must('the command line says why memory did not fall', run.includes(WHY))
  const [latest] = valueOf(await window.call('runs.list', { limit: 1 }))
  const runId = latest?.summary.id ?? ''
  must('and what is offered there can be tried', (await ctl('try did-not-fall.only-limits page-out-now --simulation')).includes('Digest'))
  must('explain RUN says it again', (await ctl(`explain ${runId}`)).includes(WHY))
  await page.evaluate((to) => {
    location.hash = to
  }, `#/history/run/${runId}`)
  await page.getByText('Why memory did not fall more').waitFor({ timeout: 20_000 }).catch(() => undefined)
  must('the window says why memory did not fall', (await page.getByText(WHY).count()) > 0)
  await shoot('run-why', () => page.locator('.panel', { hasText: 'Why memory did not fall more' }).last().evaluate((node) => node.scrollIntoView({ block: 'start' })).catch(() => undefined))
  for (const format of reportFormatSchema.options) {
    for (const isPrivate of [true, false]) {
      const { base64 } = valueOf(await window.call('report.make', { subject: { of: 'run', runId }, format, private: isPrivate }))
      const report = Buffer.from(base64, 'base64')
      writeFileSync(join(folder, `report${isPrivate ? '' : '-public'}.${format}`), report)
      // Of a PDF the text is compressed.
      if (format !== 'pdf') must(`the report as ${format}, private ${isPrivate}, says why memory did not fall`, report.toString('utf8').includes(WHY))
    }
  }
  await ctl(`report ${runId} --format json --output ${join(window.folder, 'report.json')}`)
  const [newer, older] = valueOf(await window.call('snapshots.list', { limit: 2 }))
  await ctl(`compare ${older?.id} ${newer?.id}`)
  await ctl('memory-enforce --drop-caches --yes --keep')
  await ctl('suspend --idle --for 20s', [0, 6])
  await ctl('resume --all')
  await ctl('rollback')
  await ctl('rollback --force')
  await ctl('journal')
  await ctl('journal search swap')
  await ctl('journal note The second bar is in slot three')
  await ctl(`journal export -o ${join(window.folder, 'journal.json')}`)
  await ctl(`journal import ${join(window.folder, 'journal.json')}`)
  await ctl(`debug-snapshot -o ${join(window.folder, 'debug.json')}`)
  await ctl('completion bash')
  await ctl('man')
  writeFileSync(join(folder, 'commands.txt'), said)

  const churn = await startProgram('env', ['--', ...asUser(user), 'nice', 'python3', '-c', CHURN], { ready: /churning/u })
  try {
    await walkDiagnosis(stage)
  } finally {
    await churn.stop()
  }
  await walkJournal(stage)
  for (const complaint of window.complaints) say(`the page complained: ${complaint}`)
} finally {
  await browser.close()
  await job.stop()
  for (const step of undo) await step()
}
say(problems.length === 0 ? 'all as it must be' : `${problems.length} wrong:\n  ${problems.join('\n  ')}`)
if (problems.length > 0) process.exitCode = 1
