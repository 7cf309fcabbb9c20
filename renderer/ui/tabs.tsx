import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'

/** Parts of one thing, one shown at a time; the arrow keys move between them. */
export const Tabs = ({ tabs, label }: { tabs: readonly { id: string; title: string; body: ReactNode }[]; label: string }) => (
  <Radix.Root className="tabs" defaultValue={tabs[0]?.id ?? ''}>
    <Radix.List className="tab-list" aria-label={label}>
      {tabs.map(({ id, title }) => (
        <Radix.Trigger key={id} value={id} className="tab">
          {title}
        </Radix.Trigger>
      ))}
    </Radix.List>
    {tabs.map(({ id, body }) => (
      <Radix.Content key={id} value={id} className="tab-body">
        {body}
      </Radix.Content>
    ))}
  </Radix.Root>
)
