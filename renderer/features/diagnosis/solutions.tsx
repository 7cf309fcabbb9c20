import { ArrowRight, History } from 'lucide-react'
import { isByHand } from '../../../electron/contract/deeds.ts'
import type { Finding, Solution } from '../../../electron/contract/diagnosis.ts'
import { beforeWords } from '../../format/evidence.ts'
import { useNow } from '../../stores/data.ts'
import { openTrying } from '../../stores/flow.ts'
import { go, pages, type Page } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { Command } from '../../ui/command.tsx'
import { pageTitles } from '../../ui/rail.tsx'
import { Did } from './did.tsx'
import './solutions.css'

const pageOf = (name: string): Page | null => pages.find((page) => page === name) ?? null

const Act = ({ finding, solution, first }: { finding: Finding; solution: Solution; first: boolean }) => {
  const { act } = solution
  const label = `${solution.title}, for: ${finding.title}`
  switch (act.how) {
    case 'try-run':
    case 'preset':
      return (
        <Button
          kind={first ? 'primary' : 'plain'}
          size="s"
          aria-label={`Try… ${label}`}
          onClick={() => openTrying({ rule: finding.rule, subject: finding.subject, solution: solution.id, title: solution.title, lead: `${solution.what} ${solution.tradeOff}` })}
        >
          Try…
        </Button>
      )
    case 'page': {
      const page = pageOf(act.page)
      return page === null ? null : (
        <Button size="s" aria-label={`Open ${pageTitles[page]}: ${label}`} onClick={() => go(page, ...act.rest)}>
          Open {pageTitles[page]} <ArrowRight aria-hidden="true" className="button-more" />
        </Button>
      )
    }
    case 'command':
      return <Command text={act.command} />
    case 'advice':
      return null
  }
}

const Before = ({ before }: { before: Solution['before'] }) => {
  const now = useNow(60_000)
  const [last, ...older] = before
  if (last === undefined) return null
  return (
    <div className={`before before-${last.outcome}`}>
      <History aria-hidden="true" />
      <div>
        <p className="before-last">{beforeWords(last, now)}</p>
        {last.note !== '' && <p className="before-note">“{last.note}”</p>}
        {older.map((one) => (
          <p key={one.atMs} className="muted">
            {beforeWords(one, now)}
            {one.note !== '' && <> “{one.note}”</>}
          </p>
        ))}
      </div>
    </div>
  )
}

const facts: readonly { key: 'tradeOff' | 'sideEffects' | 'scope' | 'undoWords'; word: string }[] = [
  { key: 'tradeOff', word: 'Costs' },
  { key: 'sideEffects', word: 'Side effects' },
  { key: 'scope', word: 'Touches' },
  { key: 'undoWords', word: 'Way back' },
]

const One = ({ finding, solution, first }: { finding: Finding; solution: Solution; first: boolean }) => (
  <li className="solution">
    <h4 className="solution-title">{solution.title}</h4>
    <Before before={solution.before} />
    <p className="solution-what">{solution.what}</p>
    <dl className="solution-facts">
      {facts.map(({ key, word }) => (
        <div key={key}>
          <dt>{word}</dt>
          <dd>{solution[key]}</dd>
        </div>
      ))}
    </dl>
    <div className="solution-act">
      {solution.act.how === 'command' && <p className="muted small">{solution.act.needsRoot ? 'In a terminal; it asks for your password.' : 'In a terminal.'}</p>}
      <Act finding={finding} solution={solution} first={first} />
      {solution.act.how === 'advice' && <p className="muted small">This is done by hand.</p>}
      {isByHand(solution) && <Did finding={finding} solution={solution} />}
    </div>
  </li>
)

/** Ways to act, side by side, what helped before first. Nothing happens before its plan was shown. */
export const Solutions = ({ finding }: { finding: Finding }) => {
  const tried = finding.solutions.findIndex(({ act }) => act.how === 'try-run' || act.how === 'preset')
  return (
    <ul className="solutions">
      {finding.solutions.map((solution, i) => (
        <One key={solution.id} finding={finding} solution={solution} first={i === tried} />
      ))}
    </ul>
  )
}
