/** Ends a service that nobody has used for a while. */
export interface IdleExit {
  /** A call begins; the function returned ends it. */
  begin(): () => void
  stop(): void
}

/**
 * Calls `onIdle` once no call has been open for `idleMs` and `mayExit` agrees;
 * while it does not (a run is open), it is asked again after the same time.
 * `idleMs` 0 means never.
 */
export const createIdleExit = (idleMs: number, mayExit: () => boolean, onIdle: () => void): IdleExit => {
  let open = 0
  let timer: NodeJS.Timeout | undefined

  const arm = (): void => {
    clearTimeout(timer)
    if (idleMs === 0 || open > 0) return
    timer = setTimeout(() => (mayExit() ? onIdle() : arm()), idleMs)
  }
  arm()
  return {
    begin: () => {
      open += 1
      clearTimeout(timer)
      let ended = false
      return () => {
        if (ended) return
        ended = true
        open -= 1
        arm()
      }
    },
    stop: () => clearTimeout(timer),
  }
}
