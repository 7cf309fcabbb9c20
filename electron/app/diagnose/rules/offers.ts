import type { Evidence } from '../../../../helper/contract/evidence.ts'
import type { PresetSettings } from '../../../../helper/contract/presets.ts'
import type { TunableSettings } from '../../../../helper/contract/tunables.ts'
import { amount, counted } from '../../amounts.ts'
import { numberIn } from '../series.ts'
import { totalOf, vm } from './kit.ts'
import type { Solution } from '../../../contract/diagnosis.ts'
import type { Offer } from '../rule.ts'

/** Ways to act, and those that many findings share. */

interface Words {
  readonly id: string
  readonly title: string
  readonly what: string
  readonly tradeOff: string
  readonly sideEffects: string
  readonly scope: string
}

type Page = Extract<Solution['act'], { how: 'page' }>['page']

export const MACHINE = 'The whole machine'
const RESTORED = 'Undo puts the old value back. Without an answer in time, and at the next restart, it goes back by itself.'
const NOTHING = 'There is nothing to undo: it happens once.'
const SWAP_GOES = 'Undo takes it away again, once what it holds fits into memory. Without an answer in time, and at the next restart, it goes by itself.'

/** Settings that are tried: shown as a plan, measured, kept or undone. */
export const trial = (words: Words, settings: PresetSettings, undoWords = RESTORED): Offer => ({ ...words, undo: 'by-run', undoWords, act: { how: 'try-run', settings } })

export const tunable = (words: Omit<Words, 'scope'> & { readonly scope?: string }, tunables: TunableSettings): Offer => trial({ scope: MACHINE, ...words }, { tunables })

/** Done once, leaves nothing behind. */
export const once = (words: Words, settings: PresetSettings): Offer => ({ ...words, undo: 'nothing-to-undo', undoWords: NOTHING, act: { how: 'try-run', settings } })

export const preset = (words: Words, presetId: string, undo: 'by-run' | 'nothing-to-undo' = 'by-run', undoWords = undo === 'by-run' ? RESTORED : NOTHING): Offer => ({
  ...words, undo, undoWords, act: { how: 'preset', presetId, agentIds: null },
})

export const page = (words: Words, to: Page, undoWords: string, rest: readonly string[] = []): Offer => ({ ...words, undo: 'by-hand', undoWords, act: { how: 'page', page: to, rest: [...rest] } })

/** For a terminal; `undoWords` says the way back. */
export const command = (words: Words, line: string, needsRoot: boolean, undoWords: string, undo: Solution['undo'] = 'by-hand'): Offer => ({
  ...words, undo, undoWords, act: { how: 'command', command: line, needsRoot },
})

export const advice = (words: Words, undoWords = 'Change it back as you changed it.', undo: Solution['undo'] = 'by-hand'): Offer => ({ ...words, undo, undoWords, act: { how: 'advice' } })

export const pageOutIdle = (): Offer => preset({
  id: 'page-out-idle',
  title: 'Page out idle agents',
  what: 'Moves the memory of agents that wait for you into compressed swap. In measurements 6.8 GB of 25 idle agents took 2 GB there.',
  tradeOff: 'The first key in such an agent takes some hundredths of a second longer, once.',
  sideEffects: 'Costs some seconds of CPU time while it compresses. Agents that go on working bring a part of it back.',
  scope: 'Your idle agents',
}, 'action-page-out', 'nothing-to-undo')

export const suspendIdle = (): Offer => page({
  id: 'suspend-idle',
  title: 'Suspend agents you do not need now',
  what: 'Stops an idle agent and pages it out. It wakes by itself at the first key you type into it.',
  tradeOff: 'A suspended agent does nothing in the background: no timers, no watching of files.',
  sideEffects: 'Connections that wait for an answer may time out while it sleeps.',
  scope: 'The agents you pick',
}, 'agents', 'Resume wakes it; so does typing into it.')

export const endUnneeded = (): Offer => page({
  id: 'end-unneeded',
  title: 'End agents you are done with',
  what: 'Shows all agents with what each costs, the dearest first. Ending one gives back all it holds at once.',
  tradeOff: 'Its session ends. Most agents can resume a conversation when started again.',
  sideEffects: 'Its servers (MCP, language servers) end with it.',
  scope: 'The agents you pick',
}, 'agents', 'Start the agent again and resume its conversation.')

export const compressedSwapOn = (): Offer => preset({
  id: 'compressed-swap',
  title: 'Turn on compressed swap',
  what: 'Adds swap of half your memory whose pages stay in memory, compressed to about a third to a half. Nothing goes to a disk.',
  tradeOff: 'Compressing costs CPU time when memory gets tight, and a page that is needed again takes some microseconds to unpack.',
  sideEffects: 'By itself it wins little: pages move there when memory gets tight, or when idle agents are paged out.',
  scope: MACHINE,
}, 'layer-compressed-swap-on', 'by-run', SWAP_GOES)

export const endLeftovers = (): Offer => page({
  id: 'end-leftovers',
  title: 'End what was left behind',
  what: 'Shows servers whose session is gone and processes that outlived their agent, with what each holds, and ends those you pick.',
  tradeOff: 'A server you started by hand on purpose may be among them: look before you end it.',
  sideEffects: 'Processes below it end with it.',
  scope: 'The processes you pick',
}, 'leftovers', 'Start the program again.')

export const limitAgents = (): Offer => page({
  id: 'limit-agents',
  title: 'Give agents a limit or a budget',
  what: 'Caps what one agent, or all agents together, may hold. Beyond that their own idle memory goes first, and other programs are left alone.',
  tradeOff: 'An agent that really needs more becomes slow instead of the machine.',
  sideEffects: 'Needs swap to be of use: without it there is little that an agent at its limit could give up.',
  scope: 'The agents you pick',
}, 'agents', 'Take the limit off on the same page.')

export const moreMemory = (): Offer => advice({
  id: 'less-at-once',
  title: 'Run less at the same time',
  what: 'Close what is largest and not needed now: browser tabs, emulators, containers, builds that run side by side (make -j, cargo, gradle workers).',
  tradeOff: 'Work that ran side by side takes longer.',
  sideEffects: 'None for the programs that stay.',
  scope: 'Your programs',
}, 'Start the programs again.')

export const leaveIt = (title: string, what: string, tradeOff: string): Offer => advice({
  id: 'leave-it', title, what, tradeOff, sideEffects: 'None.', scope: 'Nothing changes',
}, 'Nothing was changed.', 'nothing-to-undo')

export const moreAgents = (): Offer => preset({
  id: 'preset-balanced',
  title: 'Apply the preset "Balanced"',
  what: 'Compressed swap of half your memory, gentle merging of equal pages, and agents idle for five minutes are paged out, in one step.',
  tradeOff: 'Merging uses a part of a core for one to two minutes; waking an idle agent takes a moment longer.',
  sideEffects: 'Merging lets programs of yours guess by timing whether another one holds the same page.',
  scope: MACHINE,
}, 'balanced')

/** Compacts once: free memory is moved together. */
export const compactOnce = (): Offer => once({
  id: 'compact-now',
  title: 'Move free memory together once',
  what: 'Asks the kernel to move pages in use to one end, so that free memory lies in large pieces again.',
  tradeOff: 'Takes a part of a core for some seconds; programs may stumble meanwhile.',
  sideEffects: 'It breaks up again over time.',
  scope: MACHINE,
}, { tunables: { compactNow: true } })

export const preferCompressedSwap = (swappiness: number): Offer => tunable({
  id: 'prefer-swap',
  title: 'Use compressed swap before dropping files',
  what: `Raises vm.swappiness from ${swappiness} to 150: idle data of programs is compressed earlier, and files that are in use stay.`,
  tradeOff: 'Programs that wake after a long rest unpack more pages first.',
  sideEffects: 'Compressing takes some CPU time.',
}, { swappiness: 150 })

/** Between the marks at which the kernel begins to make room and at which programs must: the larger of a quarter of the reserve and the scale factor. */
const headStartOf = (look: Evidence, scaleFactor: number): number => {
  const pages = look.zones.reduce((sum, zone) => sum + zone.lowPages - zone.minPages, 0)
  return Math.max(pages * look.pageBytes, (totalOf(look) * scaleFactor) / 10_000)
}

/** Begin earlier, so that room is there before a program asks: at least three times as early, which a factor that hides behind the reserve is not. */
export const beginEarlier = (look: Evidence): Offer => {
  const now = numberIn(look.sysctl, vm('watermark_scale_factor')) ?? 10
  const headStart = headStartOf(look, now)
  const next = Math.max(now, Math.min(500, Math.max(100, now * 2, Math.round((headStart * 3 * 1000) / Math.max(1, totalOf(look))) * 10)))
  const later = (totalOf(look) * next) / 10_000
  return tunable({
    id: 'begin-earlier',
    title: 'Make room earlier',
    what: `Raises vm.watermark_scale_factor from ${counted(now)} to ${counted(next)}: the kernel begins to make room in the background ${amount(later)} before programs have to do it themselves, instead of ${amount(headStart)}. What is asked for in one go should fit into that.`,
    tradeOff: `About ${amount(Math.max(0, later - headStart) * 2)} more stay free instead of holding file cache.`,
    sideEffects: 'The background work (kswapd) runs more often, a little each time.',
  }, { watermarkScaleFactor: next })
}

/** At most 3 % of memory, which every machine can spare. */
export const keepFree = (look: Evidence): Offer => {
  const now = (numberIn(look.sysctl, vm('min_free_kbytes')) ?? 0) * 1024
  const next = Math.min(4 * 1024 ** 3, Math.max(1024 ** 2, now, Math.min(Math.round(totalOf(look) * 0.03), Math.max(now * 2, 128 * 1024 ** 2))))
  return tunable({
    id: 'keep-more-free',
    title: 'Keep a larger reserve',
    what: `Raises vm.min_free_kbytes from ${amount(now)} to ${amount(next)}, the reserve that ordinary requests may not touch.`,
    tradeOff: `${amount(Math.max(0, next - now))} are never used by programs or cache.`,
    sideEffects: 'All limits at which the kernel begins to make room rise with it.',
  }, { minFreeBytes: next })
}
