import { TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { recall, remember } from '../../api.ts'
import { ago } from '../../format/format.ts'
import { useNow } from '../../stores/data.ts'
import { useLifecycle } from '../../stores/lifecycle.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { Strip } from '../../ui/strip.tsx'
import { guardTitles, isNoteworthy } from './words.ts'

const KEY = 'guard-read'
/** Older words are history. */
const FRESH_MS = 24 * 3_600_000

/** What the guard saw and did while nobody looked, until it was read. */
export const GuardStrip = () => {
  const [readMs, setReadMs] = useState(() => Number(recall(KEY) ?? '0') || 0)
  const words = useLifecycle((state) => state.registry?.guard?.words)
  const now = useNow(30_000)
  const unread = (words ?? []).filter((word) => isNoteworthy(word) && word.atMs > readMs && now - word.atMs < FRESH_MS)
  const newest = unread.at(-1)
  if (newest === undefined) return null
  const read = (): void => {
    remember(KEY, String(newest.atMs))
    setReadMs(newest.atMs)
  }
  return (
    <Strip
      label="Guard"
      tone="problem"
      icon={<TriangleAlert aria-hidden="true" />}
      title={guardTitles[newest.what]}
      sub={`${newest.text} ${ago(newest.atMs, now)}${unread.length > 1 ? `, and ${unread.length - 1} more` : ''}.`.replace('..', '.')}
      actions={
        <>
          <Button
            size="s"
            kind="quiet"
            onClick={() => {
              read()
              if (newest.runId === null) go('settings')
              else go('history', 'run', newest.runId)
            }}
          >
            Details
          </Button>
          <Button size="s" kind="quiet" onClick={read}>
            Close
          </Button>
        </>
      }
    />
  )
}
