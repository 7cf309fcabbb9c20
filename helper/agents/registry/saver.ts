/** Puts off writing a little: a burst of changes is one write. */
export interface Saver {
  readonly soon: () => void
  /** Nothing is written from now on. */
  readonly stop: () => void
}

const WAIT_MS = 2_000

export const createSaver = (save: () => void, waitMs = WAIT_MS): Saver => {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  return {
    soon: () => {
      if (timer !== undefined || stopped) return
      timer = setTimeout(() => {
        timer = undefined
        save()
      }, waitMs)
    },
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
