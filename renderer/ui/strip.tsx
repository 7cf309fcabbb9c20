import type { ReactNode } from 'react'

interface Props {
  tone: 'busy' | 'gain' | 'info' | 'problem'
  icon: ReactNode
  title: string
  sub: ReactNode
  actions: ReactNode
  /** A thin bar along its edge. */
  bar?: ReactNode
  /** Its title is read out when it changes. */
  live?: boolean
  label: string
}

/** A bar under every page: what is under way, what just ended, what went wrong. It takes its place from the end of the page, so nothing moves. */
export const Strip = ({ tone, icon, title, sub, actions, bar, live = true, label }: Props) => (
  <section className={`strip strip-${tone}`} aria-label={label}>
    {icon}
    <div className="strip-text">
      <p className="strip-title" {...(live ? { role: 'status' } : {})}>
        {title}
      </p>
      <p className="strip-sub">{sub}</p>
    </div>
    <div className="strip-actions">{actions}</div>
    {bar !== undefined && <div className="strip-line">{bar}</div>}
  </section>
)
