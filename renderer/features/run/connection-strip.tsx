import { Unplug } from 'lucide-react'
import { retryConnection } from '../../api.ts'
import { useLive } from '../../stores/live.ts'
import { Button } from '../../ui/button.tsx'

/** Says that the app is gone; what is on screen stays, it is only old. */
export const ConnectionStrip = () => {
  const connection = useLive((state) => state.connection)
  if (connection === 'connected') return null
  return (
    <div className="strip strip-problem" role="alert">
      <Unplug aria-hidden="true" />
      <div className="strip-text">
        <p className="strip-title">{connection === 'lost' ? 'The app does not answer' : 'This window is not signed in'}</p>
        <p className="strip-sub">
          {connection === 'lost' ? 'What you see is the last known state. Trying again by itself.' : 'Open the address that the app printed at its start again; it signs this browser in once.'}
        </p>
      </div>
      <div className="strip-actions">
        <Button size="s" onClick={retryConnection}>
          Try now
        </Button>
      </div>
    </div>
  )
}
