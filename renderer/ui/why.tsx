import { Popover } from 'radix-ui'
import type { ReactNode } from 'react'
import { exactMoment } from '../format/format.ts'

interface Props {
  /** What the figure is, for the heading and for screen readers. */
  what: string
  /** How it is made, in a sentence or two. */
  how: ReactNode
  /** Files or counters it is read from. */
  sources: readonly string[]
  /** Who read them. */
  reader?: string
  atMs?: number | undefined
  children: ReactNode
  className?: string
}

/** Makes a figure answer "why this?": file, process and time it comes from. */
export const Why = ({ what, how, sources, reader = 'the app, as you', atMs, children, className = '' }: Props) => (
  <Popover.Root>
    <Popover.Trigger className={`why ${className}`} title={`Why this? ${what}`}>
      {children}
    </Popover.Trigger>
    <Popover.Portal>
      <Popover.Content className="popover" sideOffset={8} collisionPadding={12} align="start" aria-label={what}>
        <h3 className="popover-title">{what}</h3>
        <p>{how}</p>
        <dl className="facts">
          <dt>Read from</dt>
          <dd>
            {sources.map((source) => (
              <code key={source} className="path">
                {source}
              </code>
            ))}
          </dd>
          <dt>By</dt>
          <dd>{reader}</dd>
          {atMs !== undefined && (
            <>
              <dt>At</dt>
              <dd>{exactMoment(atMs)}</dd>
            </>
          )}
        </dl>
      </Popover.Content>
    </Popover.Portal>
  </Popover.Root>
)
