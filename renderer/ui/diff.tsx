import { useMemo } from 'react'
import type { FileChange } from '../../helper/contract/lifecycle.ts'
import { diffLines } from '../format/diff.ts'

const signs = { same: ' ', added: '+', removed: '\u2212', gap: '\u22ef' } as const
const words = { same: '', added: 'added: ', removed: 'removed: ', gap: '' } as const

/** A file as it is and as it would be, line by line; sign and word tell what the colour repeats. */
export const Diff = ({ change }: { change: FileChange }) => {
  const lines = useMemo(() => diffLines(change.before, change.after), [change])
  const what = change.before === null ? 'new file' : change.after === null ? 'file is removed' : 'changed'
  return (
    <figure className="diff">
      <figcaption>
        <code className="path">{change.path}</code> <span className="muted">{what}</span>
      </figcaption>
      <div className="diff-lines" tabIndex={0} role="region" aria-label={`Change of ${change.path}`}>
        {lines.map((line, i) => (
          <div key={i} className={`diff-line diff-${line.kind}`}>
            <span className="diff-sign" aria-hidden="true">
              {signs[line.kind]}
            </span>
            <span className="diff-text">
              {words[line.kind] !== '' && <span className="sr-only">{words[line.kind]}</span>}
              {line.text === '' ? '\u00a0' : line.text}
            </span>
          </div>
        ))}
      </div>
    </figure>
  )
}
