import { LoaderCircle } from 'lucide-react'
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react'

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'primary' | 'plain' | 'quiet' | 'danger'
  size?: 'm' | 's'
  /** Work is under way: the button keeps its width, turns and takes no second press. */
  busy?: boolean
  icon?: ReactNode
  ref?: Ref<HTMLButtonElement>
}

export const Button = ({ kind = 'plain', size = 'm', busy = false, icon, children, className = '', disabled, ...rest }: Props) => (
  <button type="button" className={`button button-${kind} button-${size} ${className}`} disabled={disabled === true || busy} aria-busy={busy} {...rest}>
    {busy ? <LoaderCircle className="spin" aria-hidden="true" /> : icon}
    {children}
  </button>
)
