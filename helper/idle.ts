/** Ends a service that nobody has used for a while. */
export interface IdleExit {
  /** A call begins; the function returned ends it. */
  begin(): () => void
  stop(): void
}

export interface IdleExitOptions {
  /** 0 means never. */
  idleMs: number
  /** False while something must not be left alone, such as an open run: asked again after the same time. */
  mayExit: () => boolean
  /** Gives the bus name back: calls from now on start a new helper. What was sent before still arrives here. */
  release: () => Promise<void>
  /** Takes the name again, because a call came in meanwhile. */
  claim: () => Promise<void>
  onIdle: () => void
}

/** Calls `onIdle` once no call has been open for `idleMs`, and no call can be lost by ending. */
export const createIdleExit = ({ idleMs, mayExit, release, claim, onIdle }: IdleExitOptions): IdleExit => {
  let open = 0
  let calls = 0
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  const leave = async (): Promise<void> => {
    const before = calls
    await release()
    if (stopped) return
    if (calls === before && mayExit()) {
      onIdle()
      return
    }
    await claim()
    arm()
  }
  const arm = (): void => {
    clearTimeout(timer)
    if (stopped || idleMs === 0 || open > 0) return
    timer = setTimeout(() => {
      if (mayExit()) void leave()
      else arm()
    }, idleMs)
  }
  arm()
  return {
    begin: () => {
      open += 1
      calls += 1
      clearTimeout(timer)
      let ended = false
      return () => {
        if (ended) return
        ended = true
        open -= 1
        arm()
      }
    },
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
