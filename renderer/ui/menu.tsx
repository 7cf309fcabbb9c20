import { ChevronDown } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'
import { Button } from './button.tsx'

export interface MenuItem {
  id: string
  label: string
  hint?: string
  icon?: ReactNode
  onSelect: () => void
}

/** A button that opens a list of things to do. `top` stands above the list, for a choice that goes with it; `bare` shows the icon alone. */
export const Menu = ({ label, items, busy = false, kind = 'plain', size = 'm', icon, top, bare = false, tabIndex }: { label: string; items: readonly MenuItem[]; busy?: boolean; kind?: 'plain' | 'primary' | 'quiet'; size?: 'm' | 's'; icon?: ReactNode; top?: ReactNode; bare?: boolean; tabIndex?: number }) => (
  <DropdownMenu.Root modal={false}>
    <DropdownMenu.Trigger asChild>
      {bare ? (
        <button type="button" className="icon-button" aria-label={label} title={label} {...(tabIndex === undefined ? {} : { tabIndex })}>
          {icon}
        </button>
      ) : (
        <Button kind={kind} size={size} busy={busy} icon={icon}>
          {label}
          <ChevronDown aria-hidden="true" className="button-more" />
        </Button>
      )}
    </DropdownMenu.Trigger>
    <DropdownMenu.Portal>
      <DropdownMenu.Content className="menu" align="end" sideOffset={6} collisionPadding={8}>
        {top}
        {items.map((item) => (
          <DropdownMenu.Item key={item.id} className="menu-item" onSelect={item.onSelect}>
            {item.icon}
            <span>
              {item.label}
              {item.hint !== undefined && <span className="menu-hint">{item.hint}</span>}
            </span>
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu.Portal>
  </DropdownMenu.Root>
)

/** A switch inside a menu; choosing it leaves the menu open. */
export const MenuSwitch = ({ checked, onChange, label }: { checked: boolean; onChange: (on: boolean) => void; label: string }) => (
  <>
    <DropdownMenu.CheckboxItem
      className="menu-item menu-check"
      checked={checked}
      onCheckedChange={(next) => onChange(next)}
      onSelect={(event) => event.preventDefault()}
    >
      <span className="menu-tick" aria-hidden="true">{checked ? '✓' : ''}</span>
      <span>{label}</span>
    </DropdownMenu.CheckboxItem>
    <DropdownMenu.Separator className="menu-line" />
  </>
)
