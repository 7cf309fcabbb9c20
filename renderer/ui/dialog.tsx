import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import type { ReactNode } from 'react'

interface Props {
  open: boolean
  onClose: () => void
  title: ReactNode
  /** One sentence under the title. */
  lead?: ReactNode
  /** Fixed to the bottom: the buttons. */
  foot?: ReactNode
  side?: boolean
  children: ReactNode
}

/** A dialog in the middle, or with `side` a drawer on the right. Escape and a click outside close it. */
export const Dialog = ({ open, onClose, title, lead, foot, side = false, children }: Props) => (
  <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
    <Radix.Portal>
      <Radix.Overlay className="veil" />
      <Radix.Content className={side ? 'drawer' : 'dialog'} {...(lead === undefined ? { 'aria-describedby': undefined } : {})}>
        <header className="dialog-head">
          <div>
            <Radix.Title className="dialog-title">{title}</Radix.Title>
            {lead !== undefined && <Radix.Description className="dialog-lead">{lead}</Radix.Description>}
          </div>
          <Radix.Close className="icon-button" aria-label="Close">
            <X aria-hidden="true" />
          </Radix.Close>
        </header>
        {/* A long plan scrolls here, and the keyboard must reach it. */}
        <section className="dialog-body" tabIndex={0} aria-label="Contents">
          {children}
        </section>
        {foot !== undefined && <footer className="dialog-foot">{foot}</footer>}
      </Radix.Content>
    </Radix.Portal>
  </Radix.Root>
)
