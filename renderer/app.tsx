import { Tooltip } from 'radix-ui'
import { lazy, Suspense, useEffect, useRef } from 'react'
import { Skeleton } from './ui/page.tsx'
import { ConnectionStrip } from './features/run/connection-strip.tsx'
import { RunStrip } from './features/run/run-strip.tsx'
import { AgentDialogs } from './features/lifecycle/dialogs.tsx'
import { ActStrip } from './features/lifecycle/act-strip.tsx'
import { GuardStrip } from './features/lifecycle/guard-strip.tsx'
import { PresetDialog } from './features/presets/preset-dialog.tsx'
import { Overview } from './features/overview/overview.tsx'
import { useRoute, type Page } from './stores/route.ts'
import { HelpDialog } from './ui/help.tsx'
import { pageTitles, Rail } from './ui/rail.tsx'
import { useKeys } from './ui/keys.ts'

// Charts for comparing are large: they come when their page is opened.
const Agents = lazy(() => import('./features/agents/agents.tsx'))
const Leftovers = lazy(() => import('./features/leftovers/leftovers.tsx'))
const Fixes = lazy(() => import('./features/fixes/fixes.tsx'))
const Layers = lazy(() => import('./features/layers/layers.tsx'))
const Units = lazy(() => import('./features/units/units.tsx'))
const Compare = lazy(() => import('./features/compare/compare.tsx'))
const Diagnosis = lazy(() => import('./features/diagnosis/diagnosis.tsx'))
const Leaks = lazy(() => import('./features/leaks/leaks.tsx'))
const Journal = lazy(() => import('./features/journal/journal.tsx'))
const History = lazy(() => import('./features/history/history.tsx'))
const Settings = lazy(() => import('./features/settings/settings.tsx'))

const PageOf = ({ page, rest }: { page: Page; rest: readonly string[] }) => {
  switch (page) {
    case 'overview':
      return <Overview />
    case 'agents':
      return <Agents />
    case 'leftovers':
      return <Leftovers />
    case 'fixes':
      return <Fixes />
    case 'layers':
      return <Layers />
    case 'units':
      return <Units />
    case 'compare':
      return <Compare />
    case 'diagnosis':
      return <Diagnosis rest={rest} />
    case 'leaks':
      return <Leaks />
    case 'journal':
      return <Journal />
    case 'history':
      return <History rest={rest} />
    case 'settings':
      return <Settings />
  }
}

export const App = () => {
  const { page, rest } = useRoute()
  const main = useRef<HTMLElement>(null)
  const where = [page, ...rest].join('/')
  const last = useRef(where)
  useKeys()

  useEffect(() => {
    document.title = `${pageTitles[page]} · Agent Memory Center`
    if (last.current === where) return
    last.current = where
    main.current?.scrollTo(0, 0)
    main.current?.focus({ preventScroll: true })
  }, [page, where])

  return (
    <Tooltip.Provider delayDuration={350}>
      <a
        className="skip"
        href={`#/${where}`}
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        Skip to the page
      </a>
      <div className="frame">
        <Rail page={page} />
        <div className="stage">
          {/* First in reading order, drawn under the page: what asks for an answer is found at once and moves nothing. */}
          <div className="strips">
            <GuardStrip />
            <ActStrip />
            <RunStrip />
            <ConnectionStrip />
          </div>
          <main className="scroll" id="page" ref={main} tabIndex={-1} aria-label={pageTitles[page]}>
            <Suspense
              fallback={
                <div className="page">
                  <Skeleton height="20rem" />
                </div>
              }
            >
              <PageOf page={page} rest={rest} />
            </Suspense>
          </main>
        </div>
      </div>
      <PresetDialog />
      <AgentDialogs />
      <HelpDialog />
    </Tooltip.Provider>
  )
}
