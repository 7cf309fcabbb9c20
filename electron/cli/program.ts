import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { PRUNE_LEVELS, pruneCachePresetId } from '../../helper/contract/presets.ts'
import { runIdSchema, type RunId } from '../../helper/contract/runs.ts'
import { reportFormatSchema, type ReportFormat } from '../contract/views.ts'
import type { ApplyOptions, PlanOptions } from './change.ts'
import { addDiagnosisCommands } from './diagnosis-commands.ts'
import { completion, SHELLS, type Shell } from './completion.ts'
import { EXIT, EXIT_HELP } from './exit-codes.ts'
import { addLifecycleCommands } from './lifecycle-commands.ts'

const runId = (text: string): RunId => {
  const parsed = runIdSchema.safeParse(text)
  if (!parsed.success) throw new InvalidArgumentError('Expected a run as "agentmemctl runs" lists it, such as 20261121T093005Z-1a2b3c4d.')
  return parsed.data
}
const whole = (text: string): number => {
  if (!/^\d{1,9}$/u.test(text) || Number(text) < 1) throw new InvalidArgumentError('Expected a whole number from 1.')
  return Number(text)
}

// Each command loads what it needs: most of the time of a short one is loading.
const change = () => import('./change.ts')
const look = () => import('./look.ts')

/** Does what the words of a command line say; answers the exit code. Nothing of an earlier call is left in it. */
export const runProgram = async (words: readonly string[]): Promise<number> => {
  let exitCode: number = EXIT.ok
  const program = new Command('agentmemctl')
    .description('Shows what AI agents cost in memory, applies presets, measures the gain, and undoes it.')
    .addHelpText('after', `\n${EXIT_HELP}`)
    .exitOverride()
    .enablePositionalOptions()

  const command = (name: string, description: string): Command => program.command(name).description(description)
  const json = (): Option => new Option('--json', 'print JSON').default(false)
  const level = (text: string): (typeof PRUNE_LEVELS)[number] => {
    const found = PRUNE_LEVELS.find((known) => String(known) === text)
    if (found === undefined) throw new InvalidArgumentError('Expected 1 (file contents), 2 (file names and attributes) or 3 (both).')
    return found
  }
  const backing = (text: string): number => {
    if (!/^\d{1,4}$/u.test(text) || Number(text) > 1024) throw new InvalidArgumentError('Expected whole GB from 1 to 1024, or 0 for none.')
    return Number(text)
  }
  const turn = (text: string): 'on' | 'off' => {
    if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('Expected "on" or "off".')
    return text
  }
  const planning = (made: Command): Command =>
    made
      .argument('<preset>', 'id of a preset')
      .addOption(json())
      .option('--agents <agent...>', 'treat these agents only, by id or process')
      .option('--control <agent...>', 'measure these agents and leave them alone')
      .option('--observe', 'first watch for as long as the preset wants agents to be idle', false)

  const applying = (made: Command): Command =>
    made
      .option('--yes', 'apply without asking', false)
      .option('--keep', 'keep it once it is measured', false)
      .option('--wait', 'once it is measured, wait for "keep" or "undo" from elsewhere', false)
      .addHelpText('after', '\nOn a terminal you are asked whether to keep it. Elsewhere it is measured and\nundone, unless --keep or --wait is given.')
  /** Actions leave nothing on: --keep is taken, so that scripts need not tell them apart, and changes nothing. */
  const acting = (made: Command): Command =>
    made
      .addOption(json())
      .option('--yes', 'do it without asking', false)
      .addOption(new Option('--keep').default(false).hideHelp())
      .addOption(new Option('--wait').default(false).hideHelp())

  command('snapshot', 'one look at the machine and its agents')
    .addOption(json())
    .option('--command-lines', 'with command lines, which may hold secrets', false)
    .option('--save <label>', 'keep it in the history')
    .action(async (options: { json: boolean; commandLines: boolean; save?: string }) => { exitCode = await (await look()).snapshot(options) })
  command('agents', 'the agents: what they cost, what they do').addOption(json()).action(async (options: { json: boolean }) => { exitCode = await (await look()).agents(options) })
  command('layers', 'the five layers: state, effect, cost').addOption(json()).action(async (options: { json: boolean }) => { exitCode = await (await look()).layers(options) })
  command('presets', 'the presets').addOption(json()).option('--all', 'with the switches of layers and the single actions', false).action(async (options: { json: boolean; all: boolean }) => { exitCode = await (await look()).presets(options) })
  command('status', 'helper, app, layers and open runs').addOption(json()).action(async (options: { json: boolean }) => { exitCode = await (await look()).status(options) })
  planning(command('plan', 'what a preset would do here')).action(async (preset: string, options: PlanOptions) => { exitCode = await (await change()).plan(preset, options) })
  applying(planning(command('apply', 'apply a preset and measure it')))
    .action(async (preset: string, options: ApplyOptions) => { exitCode = await (await change()).apply(preset, options) })
  applying(command('layer', 'turn one layer on or off and measure it').argument('<turn>', '"on" or "off"', turn).argument('<layer>', 'as "agentmemctl layers" names it').addOption(json()))
    .option('--backing <gb>', 'of "on kernel-module": a backing file for what nobody reads, of at most so many GB; 0 for none', backing)
    .action(async (to: 'on' | 'off', name: string, options: { json: boolean; yes: boolean; keep: boolean; wait: boolean; backing?: number }) => { exitCode = await (await change()).layer(to, name, { ...options, observe: false }) })
  acting(command('page-out', 'move the memory of agents into compressed swap, once').argument('[agent...]', 'id or process of agents, busy or not; all idle ones where none is named')
    .option('--control <agent...>', 'measure these agents and leave them alone')
    .option('--observe', 'first watch for as long as agents have to be idle', false))
    .action(async (words: string[], options: ApplyOptions) => { exitCode = await (await change()).pageOut(words, options) })
  acting(command('drop-caches', 'give back file caches, once; the next reads are slower').argument('<level>', '1 file contents, 2 file names and attributes, 3 both', level))
    .action(async (at: (typeof PRUNE_LEVELS)[number], options: ApplyOptions) => { exitCode = await (await change()).apply(pruneCachePresetId(at), { ...options, observe: false }) })
  command('keep', 'keep a run that waits').argument('<run>', 'the run', runId).addOption(json()).action(async (id: RunId, options: { json: boolean }) => { exitCode = await (await change()).keep(id, options) })
  command('undo', 'undo the last run, or the one named').argument('[run]', 'the run', runId).addOption(json()).action(async (id: RunId | undefined, options: { json: boolean }) => { exitCode = await (await change()).undo(id ?? null, options) })
  command('rollback', 'let every agent run, take limits back, undo every run').addOption(json()).option('--force', 'also end a run that is being applied now', false).action(async (options: { json: boolean; force: boolean }) => { exitCode = await (await change()).rollback(options) })
  command('runs', 'the runs so far').addOption(json()).option('--limit <n>', 'at most so many', whole, 20).action(async (options: { json: boolean; limit: number }) => { exitCode = await (await look()).runs({ ...options, limit: Math.min(options.limit, 1000) }) })
  command('report', 'write the report of a run')
    .argument('<run>', 'the run', runId)
    .addOption(new Option('--format <format>', 'form of the report').choices(reportFormatSchema.options).default('html'))
    .option('-o, --output <file>', 'where to; "-" is standard output')
    .option('--private', 'with command lines and folders', false)
    .action(async (id: RunId, options: { format: ReportFormat; output?: string; private: boolean }) => { exitCode = await (await look()).report(id, options) })
  command('compare', 'compare two snapshots of the history').argument('<from>', 'id', whole).argument('<to>', 'id', whole).addOption(json())
    .action(async (from: number, to: number, options: { json: boolean }) => { exitCode = await (await look()).compare(from, to, options) })
  command('open', 'print an address for the window of the running app').action(async () => { exitCode = await (await look()).openWindow() })
  command('run', 'start a command whose memory may be merged with that of others (KSM)').argument('<command...>').passThroughOptions()
    .option('--share', 'what it reads from large files is in memory once for all started so', false)
    .action(async (words: string[], options: { share: boolean }) => { exitCode = await (await import('./run.ts')).run(words, options) })

  addLifecycleCommands(program, (code) => { exitCode = code })
  addDiagnosisCommands(program, (code) => { exitCode = code })

  command('completion', 'print completion for a shell').addArgument(new Argument('<shell>', 'the shell').choices(SHELLS)).action((shell: Shell) => { process.stdout.write(completion(program, shell)) })
  command('schema', 'print the JSON Schema of what --json prints; which there are where none is named').argument('[answer]', 'as it lists them').action(async (name: string | undefined) => { exitCode = (await import('./schemas.ts')).printSchema(name ?? null) })
  command('man', 'print the manual page').action(async () => { process.stdout.write((await import('./man.ts')).manPage(program)) })

  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  return exitCode
}
