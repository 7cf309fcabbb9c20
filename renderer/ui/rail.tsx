import { BookOpenText, Bot, Boxes, BrushCleaning, GitCompareArrows, History, Info, Layers, LayoutDashboard, Settings, ShieldCheck, Stethoscope, TrendingUp, Wrench } from 'lucide-react'
import { problemsOf, useDiagnosis } from '../stores/diagnosis.ts'
import { setHelp } from '../stores/flow.ts'
import { isLookedFor, useLive } from '../stores/live.ts'
import { go, pages, type Page } from '../stores/route.ts'

export const pageTitles: Record<Page, string> = {
  overview: 'Overview',
  agents: 'Agents',
  leftovers: 'Leftovers',
  fixes: 'Fixes',
  layers: 'Layers',
  units: 'Units',
  compare: 'Compare',
  diagnosis: 'Diagnosis',
  leaks: 'Leaks',
  history: 'History',
  journal: 'Journal',
  settings: 'Settings',
}

const icons = { overview: LayoutDashboard, agents: Bot, leftovers: BrushCleaning, fixes: Wrench, layers: Layers, units: Boxes, compare: GitCompareArrows, diagnosis: Stethoscope, leaks: TrendingUp, history: History, journal: BookOpenText, settings: Settings } as const

const helperWords = (system: string): string => (system === 'ready' ? 'Helper ready' : system === 'not-installed' ? 'Looking only: helper not installed' : 'Looking only: helper not reachable')

export const Rail = ({ page }: { page: Page }) => {
  const agents = useLive((state) => (state.live !== null && isLookedFor(state.live) ? state.live.totals.agentsCount : null))
  const found = useDiagnosis(({ data }) => (data === null ? 0 : problemsOf(data)))
  const helper = useLive((state) => state.live?.helper ?? null)
  const ready = helper?.system === 'ready'
  // In the first second the helper was not asked yet.
  const asked = helper !== null && !(helper.session === 'starting' && helper.system === 'unreachable')
  return (
    <nav className="rail" aria-label="Pages">
      <div className="brand">
        <svg viewBox="0 0 20 20" aria-hidden="true" fill="currentColor">
          <rect x="2" y="3" width="16" height="4" rx="1.5" />
          <rect x="2" y="8.5" width="11" height="4" rx="1.5" opacity="0.6" />
          <rect x="2" y="14" width="6" height="4" rx="1.5" opacity="0.35" />
        </svg>
        Agent Memory Center
      </div>
      {pages.map((name) => {
        const Icon = icons[name]
        return (
          <a
            key={name}
            className="rail-link"
            href={`#/${name}`}
            title={pageTitles[name]}
            {...(name === page ? { 'aria-current': 'page' as const } : {})}
          >
            <Icon aria-hidden="true" />
            <span className="rail-text">{pageTitles[name]}</span>
            {name === 'agents' && agents !== null && <span className="rail-count">{agents}</span>}
            {name === 'diagnosis' && found > 0 && (
              <span className="rail-count" title={`${found} found`}>
                {found}
              </span>
            )}
          </a>
        )
      })}
      <div className="rail-foot">
        {asked && (
          <button type="button" className="rail-helper" onClick={() => go('settings')} title={helper.advice === '' ? 'The helper makes changes; each one is authorised.' : helper.advice}>
            {ready ? <ShieldCheck aria-hidden="true" /> : <Info aria-hidden="true" />}
            <span className="rail-helper-text">{helperWords(helper.system)}</span>
            <span className="sr-only">Helper settings</span>
          </button>
        )}
        <button type="button" className="link rail-keys" onClick={() => setHelp(true)}>
          Keyboard <kbd>?</kbd>
        </button>
      </div>
    </nav>
  )
}
