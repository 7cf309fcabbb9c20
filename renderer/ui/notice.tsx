import { CircleCheck, Info, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'

const icons = { info: Info, problem: TriangleAlert, gain: CircleCheck } as const

interface Props {
  tone: keyof typeof icons
  title: ReactNode
  children?: ReactNode
  actions?: ReactNode
}

/** A message in the flow of the page. Problems are announced at once, the rest politely. */
export const Notice = ({ tone, title, children, actions }: Props) => {
  const Icon = icons[tone]
  return (
    <div className={`notice notice-${tone}`} role={tone === 'problem' ? 'alert' : 'status'}>
      <Icon aria-hidden="true" />
      <div className="notice-body">
        <p className="notice-title">{title}</p>
        {children !== undefined && <div className="notice-text">{children}</div>}
      </div>
      {actions !== undefined && <div className="notice-actions">{actions}</div>}
    </div>
  )
}
