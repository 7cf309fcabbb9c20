import { Copy } from 'lucide-react'
import { useState } from 'react'
import { copyText } from '../api.ts'
import { Button } from './button.tsx'

/** A command to read and to copy. */
export const Command = ({ text }: { text: string }) => {
  const [copied, setCopied] = useState(false)
  return (
    <div className="copy-row">
      <pre className="command">
        <code>{text}</code>
      </pre>
      <Button
        size="s"
        kind="quiet"
        icon={<Copy aria-hidden="true" />}
        onClick={() => {
          void copyText(text).then(setCopied)
        }}
      >
        {copied ? 'Copied' : 'Copy'}
      </Button>
    </div>
  )
}
