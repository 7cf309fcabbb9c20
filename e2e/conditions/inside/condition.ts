/** One condition: made on a machine that is well, found first by a user who asks, and made better by what is advised. */
import { setTimeout as sleep } from 'node:timers/promises'
import { check, type Test } from '../../guest/inside/harness.ts'
import { diagnose, forget, tryKept, undo, type Finding, type Solution } from './ask.ts'
import { isKeepingLooks, keepLooks } from './looks.ts'

const MIB = 1024 * 1024

type Undo = () => unknown
/** Says how a part of the condition is taken away again; the last part goes first. */
export type Later = (undo: Undo) => void

interface Figure {
  readonly what: string
  readonly unit: 'MiB' | 'count' | 'percent'
  /** May take its time: a rate, or a program that is started to see how it fares. */
  readonly read: () => number | Promise<number>
  readonly must: 'fall' | 'rise'
  /** In the figure's own unit; bytes of MiB. */
  readonly least: number
}

export interface Condition {
  readonly name: string
  /** The rule that must come first of all that is found. */
  readonly finds: string
  readonly make: (later: Later) => Promise<void>
  /** No machine at hand makes it: its looks are kept where captures are asked for. */
  readonly isCaptured?: boolean
  /** For how long the user looks: rates need seconds. */
  readonly lookFor?: string
  /** How often the user asks, a minute and more apart: growth is told from four looks, of which an emulated machine is slow to take one. */
  readonly asks?: number
  /** The solution of the finding that is done. */
  readonly solution: string
  /** Does it, where it is no run. */
  readonly act?: (finding: Finding, solution: Solution, later: Later) => Promise<void> | void
  /** How long it takes to show, once it is done. */
  readonly showsAfterMs?: number
  /** What shows that it helped. */
  readonly figure: Figure
}

const textOf = (value: number, unit: Figure['unit']): string => (unit === 'MiB' ? `${Math.round(value / MIB)} MiB` : unit === 'percent' ? `${value.toFixed(1)} %` : String(Math.round(value)))

const print = (findings: readonly Finding[]): void => {
  for (const { rule, severity, title } of findings) console.log(`#   ${severity.padEnd(11)} ${rule}: ${title}`)
}

export const testOf = ({ name, finds, make, isCaptured = false, lookFor = '4s', asks = 1, solution: wanted, act, showsAfterMs = 2000, figure }: Condition): Test => ({
  name: `condition: ${name}`,
  limitMs: 25 * 60_000,
  run: async () => {
    const undos: Undo[] = []
    try {
      await make((each) => undos.push(each))
      forget()
      for (let again = 1; again < asks; again += 1) {
        const fromMs = performance.now()
        diagnose('1s')
        await sleep(Math.max(0, 75_000 - (performance.now() - fromMs)))
      }
      const findings = diagnose(lookFor)
      if (isKeepingLooks && isCaptured) keepLooks(name)
      print(findings)
      const [first] = findings
      check(first?.rule === finds, `the first finding is ${first?.rule ?? 'none'}, expected ${finds}`)
      if (first === undefined) return
      check(first.solutions.length >= 2, 'fewer than two solutions')
      const solution = first.solutions.find(({ id }) => id === wanted)
      check(solution !== undefined, `no solution ${wanted} among ${first.solutions.map(({ id, act: { how } }) => `${id} (${how})`).join(', ')}`)
      if (solution === undefined) return
      const was = await figure.read()
      if (act === undefined) {
        const runId = tryKept(first, wanted)
        if (solution.undo === 'by-run') undos.push(() => { undo(runId) })
      } else await act(first, solution, (each) => undos.push(each))
      await sleep(showsAfterMs)
      const is = await figure.read()
      const change = figure.must === 'rise' ? is - was : was - is
      const said = `${figure.what}: ${textOf(was, figure.unit)} -> ${textOf(is, figure.unit)}`
      console.log(`#   "${solution.title}" (${solution.act.how}): ${said}`)
      check(change >= figure.least, `${said}, expected to ${figure.must} by ${textOf(figure.least, figure.unit)}`)
    } finally {
      for (const each of undos.toReversed()) await each()
    }
  },
})
