import { Tooltip } from 'radix-ui'
import type { ReactNode } from 'react'

/** Explains its child on hover and on focus. The child must be able to take focus. */
export const Tip = ({ text, children, side = 'top' }: { text: ReactNode; children: ReactNode; side?: 'top' | 'right' | 'bottom' }) => (
  <Tooltip.Root>
    <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
    <Tooltip.Portal>
      <Tooltip.Content className="tip" side={side} sideOffset={6} collisionPadding={8}>
        {text}
      </Tooltip.Content>
    </Tooltip.Portal>
  </Tooltip.Root>
)

/** A word that needs an explanation: dotted underline, text on hover or focus. */
export const Term = ({ children, means }: { children: ReactNode; means: string }) => (
  <Tip text={means}>
    <button type="button" className="term">
      {children}
    </button>
  </Tip>
)
