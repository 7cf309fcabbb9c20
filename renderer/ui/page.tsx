import type { ReactNode } from 'react'

interface PageProps {
  title: string
  /** The one large thing of the page. */
  lead?: ReactNode
  actions?: ReactNode
  children: ReactNode
}

export const PageFrame = ({ title, lead, actions, children }: PageProps) => (
  <div className="page">
    <header className="page-head">
      <div className="page-head-text">
        <h1 className={lead === undefined ? 'page-title page-title-alone' : 'page-title'}>{title}</h1>
        {lead !== undefined && <div className="page-lead">{lead}</div>}
      </div>
      {actions !== undefined && <div className="page-actions">{actions}</div>}
    </header>
    {children}
  </div>
)

export const Panel = ({ title, aside, children, className = '' }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string }) => (
  <section className={`panel ${className}`}>
    {title !== undefined && (
      <header className="panel-head">
        <h2 className="panel-title">{title}</h2>
        {aside !== undefined && <div className="panel-aside">{aside}</div>}
      </header>
    )}
    {children}
  </section>
)

/** Holds the place of what is coming, in its size, so nothing jumps. */
export const Skeleton = ({ lines = 3, height }: { lines?: number; height?: string }) => (
  <div className="skeleton" role="status" aria-label="Loading">
    {height === undefined ? Array.from({ length: lines }, (_, i) => <span key={i} className="skeleton-line" />) : <span className="skeleton-block" style={{ height }} />}
  </div>
)

/** An empty place that teaches what would be here and how to get it. */
export const Empty = ({ icon, title, children, actions }: { icon?: ReactNode; title: string; children: ReactNode; actions?: ReactNode }) => (
  <div className="empty">
    {icon !== undefined && <div className="empty-icon" aria-hidden="true">{icon}</div>}
    <h2 className="empty-title">{title}</h2>
    <div className="empty-text">{children}</div>
    {actions !== undefined && <div className="empty-actions">{actions}</div>}
  </div>
)
