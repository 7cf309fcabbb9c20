import { InvalidArgumentError, Option, type Command } from 'commander'
import type { DidOptions } from './diagnosis/did.ts'
import { size, span, type Size } from './parse.ts'

const diagnose = () => import('./diagnosis/diagnose.ts')
const more = () => import('./diagnosis/more.ts')
const journal = () => import('./diagnosis/journal.ts')

interface Json { json: boolean }
const DAY_MS = 24 * 3600 * 1000
const MIB = 1024 * 1024

const share = (text: string): number => {
  if (!/^\d{1,4}(?:\.\d{1,2})?$/u.test(text)) throw new InvalidArgumentError(`Expected a percentage such as 10; got "${text}".`)
  return Number(text)
}
const whole = (text: string): number => {
  if (!/^\d{1,9}$/u.test(text) || Number(text) < 1) throw new InvalidArgumentError(`Expected a whole number from 1; got "${text}".`)
  return Number(text)
}
const seconds = (text: string): number => {
  if (!/^\d{1,4}(?:\.\d{1,2})?$/u.test(text) || Number(text) < 0.2) throw new InvalidArgumentError(`Expected seconds from 0.2, such as 1 or 2.5; got "${text}".`)
  return Number(text) * 1000
}
const plainSize = (text: string): Size => {
  const bytes = size(text)
  if (bytes === 'none') throw new InvalidArgumentError('Expected a size such as 10M.')
  return bytes
}

/** Why memory is full, what leaks, what would help, and what helped before. */
export const addDiagnosisCommands = (program: Command, done: (code: number) => void): void => {
  const command = (name: string, description: string): Command => program.command(name).description(description)
  const json = (): Option => new Option('--json', 'print JSON').default(false)
  const verbose = (): Option => new Option('--verbose', 'with every figure, its source, trade-offs and kernel features').default(false)
  const end = async (code: Promise<number>): Promise<void> => { done(await code) }
  const applying = (made: Command): Command =>
    made
      .option('--yes', 'apply without asking', false)
      .option('--keep', 'keep it once it is measured', false)
      .option('--wait', 'once it is measured, wait for "keep" or "undo" from elsewhere', false)
      .option('--simulation', 'show what would be done, and change nothing', false)

  command('memory-diagnose', 'why memory is as it is, with evidence, and what to do about it').addOption(json()).addOption(verbose())
    .option('--detect-leaks', 'with who grows without end, of what the history kept', false)
    .option('--for <time>', 'look again for so long: with 5s rates are known, with 75s what grows', span)
    .option('--exit-code', 'answer 10 for a warning, 11 for something critical', false)
    .action((options: { json: boolean; verbose: boolean; detectLeaks: boolean; for?: number; exitCode: boolean }) => diagnose().then(({ diagnose: run }) => end(run(options))))
  applying(command('memory-enforce', 'apply a preset, with what else is wished, measure it and undo it unless it is kept').addOption(json()))
    .option('--preset <name>', 'the preset; "balanced" where left out')
    .option('--aggressive', 'the preset "more-agents"', false)
    .option('--drop-caches', 'give back file caches too; the next reads are slower', false)
    .option('--enable-ksm', 'merge equal memory too (KSM); other programs of yours could guess what is merged', false)
    .option('--observe', 'first watch for as long as the preset wants agents to be idle', false)
    .action(async (options: Parameters<Awaited<typeof import('./diagnosis/enforce.ts')>['enforce']>[0]) => end((await import('./diagnosis/enforce.ts')).enforce(options)))
  command('memory-watch', 'the machine and its agents, again and again').addOption(json().default(false, 'a line of JSON a look'))
    .option('--show-processes', 'with the largest processes of the agents, and the largest programs of the machine', false)
    .option('--interval <seconds>', 'between two looks', seconds, 1000)
    .option('--no-clear', 'write one look below the other')
    .option('--count <n>', 'end after so many looks', whole)
    .action(async (options: Parameters<Awaited<typeof import('./diagnosis/watch.ts')>['watch']>[0]) => end((await import('./diagnosis/watch.ts')).watch(options)))
  command('processes', 'every figure of your processes: sizes, heap, stack, shared, locked, faults').argument('[pid]', 'of the agent with this process; of all where left out', whole).addOption(json())
    .action((pid: number | undefined, options: Json) => more().then(({ processes }) => end(processes(pid ?? null, options))))
  command('explain', 'one finding, or why a rule is silent; of a run, why memory did not fall more').argument('<finding>', 'as memory-diagnose names it, such as swap.none; or the id of a run').addOption(json())
    .option('--for <time>', 'look again for so long, or until it is found: such things come and go', span)
    .action(async (rule: string, options: Json & { for?: number }) => end((await import('./diagnosis/explain.ts')).explain(rule, options)))
  applying(command('try', 'try one solution of a finding, measure it and undo it unless it is kept').argument('<finding>', 'as memory-diagnose names it').argument('<solution>', 'as memory-diagnose names it').addOption(json()))
    .option('--subject <what>', 'which one, where a finding is about several', '')
    .action(async (rule: string, solution: string, options: { json: boolean; yes: boolean; keep: boolean; wait: boolean; simulation: boolean; subject: string }) => end((await import('./diagnosis/try.ts')).tryOut(rule, solution, { ...options, observe: false })))
  command('leaks', 'agents and processes that grow without end').addOption(json()).addOption(verbose())
    .option('--since <time>', 'how far back', span, DAY_MS)
    .option('--bytes <size>', 'growth in an hour that counts', plainSize, 10 * MIB)
    .option('--percent <n>', 'and its share of the beginning', share, 10)
    .action((options: { json: boolean; verbose: boolean; since: number; bytes: number; percent: number }) => more().then(({ leaks }) => end(leaks(options))))

  command('trace', 'look deeper with perf, ftrace or bpftrace for some seconds; it only looks').argument('[line]', 'as memory-diagnose --verbose names it; all are listed where left out').addOption(json())
    .option('--pid <number>', 'look at this process of yours; some lines need one', whole)
    .option('--seconds <n>', 'for how long', whole, 10)
    .action(async (line: string | undefined, options: Json & { pid?: number; seconds: number }) => end((await import('./diagnosis/trace.ts')).trace(line ?? null, options)))

  const journals = command('journal', 'what was found and tried, what came of it, and your notes')
  journals.command('search', { isDefault: true }).description('entries with these words, newest first; all where none is given').argument('[word...]').addOption(json()).option('--limit <n>', 'at most so many', whole, 20)
    .action((words: string[], options: Json & { limit: number }) => journal().then(({ searchJournal }) => end(searchJournal(words, options))))
  journals.command('note').description('write a note').argument('<word...>').addOption(json()).option('--entry <id>', 'to this entry', whole)
    .action((words: string[], options: Json & { entry?: number }) => journal().then(({ addNote }) => end(addNote(words, options))))
  journals.command('did').description('write down that you did what a finding advised: advice and commands, which nobody else can know').argument('<finding>', 'as memory-diagnose names it').argument('<solution>', 'as memory-diagnose --verbose names it').argument('[note...]', 'what you saw').addOption(json())
    .option('--subject <what>', 'which one, where a finding is about several', '')
    .addOption(new Option('--outcome <what>', 'what came of it: it helped, it won nothing, or you took it back').choices(['kept', 'no-gain', 'undone']).default('kept'))
    .action(async (rule: string, solution: string, words: string[], options: DidOptions) => end((await import('./diagnosis/did.ts')).didByHand(rule, solution, words, options)))
  journals.command('export').description('write all of it to a file').option('-o, --output <file>', 'where to; "-" is standard output')
    .action((options: { output?: string }) => journal().then(({ exportJournal }) => end(exportJournal(options))))
  journals.command('import').description('take in what another machine exported; what is known is left').argument('<file>', '"-" is standard input').addOption(json())
    .action((path: string, options: Json) => journal().then(({ importJournal }) => end(importJournal(path, options))))

  command('debug-snapshot', 'write what somebody who helps would ask for to a file: figures, findings, versions').option('-o, --output <file>', 'where to; "-" is standard output')
    .action((options: { output?: string }) => more().then(({ debugSnapshot }) => end(debugSnapshot(options))))
}
