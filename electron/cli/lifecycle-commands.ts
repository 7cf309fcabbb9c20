import { Option, type Command } from 'commander'
import type { LimitOptions } from './limits.ts'
import { importance, onOff, size, span, type Size } from './parse.ts'
import type { PolicyOptions } from './policy.ts'
import type { SuspendOptions } from './suspend.ts'

const WHO = 'id, process, or project name of an agent'
const DAY_MS = 24 * 3600 * 1000
interface Json { json: boolean }
interface Yes extends Json { yes: boolean }

/** What concerns single agents: suspend, limits, policy, leftovers, fixes. */
export const addLifecycleCommands = (program: Command, done: (code: number) => void): void => {
  const command = (name: string, description: string): Command => program.command(name).description(description)
  const json = (): Option => new Option('--json', 'print JSON').default(false)
  const yes = (): Option => new Option('--yes', 'do it without asking').default(false)
  const end = async (code: Promise<number>): Promise<void> => { done(await code) }

  command('suspend', 'freeze idle agents and move their memory into compressed swap; a key typed wakes one').argument('[agent...]', WHO).addOption(json())
    .option('--idle', 'all that are idle', false)
    .option('--for <time>', 'with --idle: those idle for at least so long, such as 5m; what Settings call idle where left out', span)
    .action(async (words: string[], options: SuspendOptions) => end((await import('./suspend.ts')).suspend(words, options)))
  command('resume', 'let suspended agents run again').argument('[agent...]', WHO).addOption(json()).option('--all', 'all that are suspended', false)
    .action(async (words: string[], options: Json & { all: boolean }) => end((await import('./suspend.ts')).resume(words, options)))

  command('limit', 'show or set the memory limits of one agent').argument('<agent>', WHO).addOption(json())
    .option('--high <size>', 'throttle and page out above it (memory.high)', size)
    .option('--max <size>', 'end it above this; needs --high (memory.max)', size)
    .option('--low <size>', 'protect so much of it (memory.low)', size)
    .option('--swap-max <size>', 'at most so much in swap', size)
    .option('--zswap-max <size>', 'at most so much in zswap', size)
    .option('--tools-high <size>', 'throttle its tools above it', size)
    .option('--none', 'take all of them away', false)
    .option('--wait', 'wait until it is known whether the limit holds', false)
    .addHelpText('after', '\nSizes: 512M, 1.5G, or "none". No limit is set below 64M.')
    .action(async (word: string, options: LimitOptions) => end((await import('./limits.ts')).limit(word, options)))
  command('budget', 'show or set how much all agents together may use before they are squeezed').argument('[size]', 'such as 8G, or "none"', size).addOption(json()).option('--wait', 'wait until it is known whether it holds', false)
    .action(async (given: Size | undefined, options: Json & { wait: boolean }) => end((await import('./limits.ts')).budget(given, options)))

  command('pin', 'never suspend these by themselves').argument('<agent...>', WHO).addOption(json()).action(async (words: string[], options: Json) => end((await import('./one-agent.ts')).setAgents(words, { pinned: true }, options)))
  command('unpin', 'take that back').argument('<agent...>', WHO).addOption(json()).action(async (words: string[], options: Json) => end((await import('./one-agent.ts')).setAgents(words, { pinned: false }, options)))
  command('protect', 'say how important agents are').argument('<agent...>', WHO).addOption(json())
    .requiredOption('--importance <n>', '0 to 100; higher stays longer', importance)
    .action(async (words: string[], options: Json & { importance: number }) => end((await import('./one-agent.ts')).setAgents(words, { importance: options.importance }, options)))
  command('free', 'ask an agent to give memory back by itself').argument('<agent>', WHO).addOption(json()).action(async (word: string, options: Json) => end((await import('./one-agent.ts')).free(word, options)))
  command('timeline', 'the states of one agent, and what each suspend won').argument('<agent>', `${WHO}; an ended one by its id`).addOption(json())
    .option('--since <time>', 'how far back', span, DAY_MS)
    .action(async (word: string, options: Json & { since: number }) => end((await import('./one-agent.ts')).timeline(word, options)))

  const policy = command('policy', 'what is done with idle agents by itself')
  policy.command('show', { isDefault: true }).description('show it').addOption(json()).action(async (options: Json) => end((await import('./policy.ts')).showPolicy(options)))
  policy.command('set').description('change it').addOption(json())
    .option('--suspend <on|off>', 'suspend idle agents', onOff)
    .option('--suspend-after <time>', 'once idle for so long', span)
    .option('--trim <on|off>', 'page out idle agents that run on', onOff)
    .option('--trim-after <time>', 'once idle for so long', span)
    .option('--own-cgroups <on|off>', 'give new agents cgroups of their own', onOff)
    .action(async (options: PolicyOptions) => end((await import('./policy.ts')).setPolicy(options)))

  command('units', 'memory that agents share: what is the same, compressed, on disk').argument('[agent]', 'the units of this one, by name or process number').addOption(json()).action(async (agent: string | undefined, options: Json) => end((await import('./units.ts')).units(agent, options)))
  command('leftovers', 'servers that outlived their agent, and servers running many times').addOption(json()).action(async (options: Json) => end((await import('./leftovers.ts')).leftovers(options)))
  command('reap', 'end what outlived its agent, after showing it').argument('[process...]', 'only these').addOption(json()).addOption(yes())
    .action(async (words: string[], options: Yes) => end((await import('./leftovers.ts')).reap(words, options)))

  command('fixes', 'cures for known waste').addOption(json()).action(async (options: Json) => end((await import('./fixes.ts')).fixes(options)))
  command('fix', 'apply one, after showing what it writes').argument('<id>', 'as "agentmemctl fixes" names it').addOption(json()).addOption(yes()).action(async (id: string, options: Yes) => end((await import('./fixes.ts')).applyFixes([id], options)))
  command('unfix', 'take one back').argument('<id>', 'as "agentmemctl fixes" names it').addOption(json()).action(async (id: string, options: Json) => end((await import('./fixes.ts')).undoFixes([id], options)))
  const hooks = command('hooks', 'hooks by which agents tell what they do')
  hooks.command('list', { isDefault: true }).description('list them').addOption(json()).action(async (options: Json) => end((await import('./fixes.ts')).fixes({ ...options, kind: 'hooks' })))
  hooks.command('install').description('write them into the settings of agents, after showing it').argument('[id...]', 'only these').addOption(json()).addOption(yes())
    .action(async (ids: string[], options: Yes) => end((await import('./fixes.ts')).applyFixes(ids, { ...options, kind: 'hooks' })))
  hooks.command('remove').description('take them out again').argument('[id...]', 'only these').addOption(json()).action(async (ids: string[], options: Json) => end((await import('./fixes.ts')).undoFixes(ids, { ...options, kind: 'hooks' })))

  command('guard', 'the guard that undoes when nobody else can, and what it said').addOption(json()).action(async (options: Json) => end((await import('./guard.ts')).guard(options)))
}
