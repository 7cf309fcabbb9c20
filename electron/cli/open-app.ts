import { createApp, type App } from '../app/app.ts'
import { askApp } from '../app/app-socket.ts'
import { appPaths } from '../app/paths.ts'

/**
 * The use-cases without timers. Where the app runs, its session bus is used:
 * the session role there has watched the agents for longer than this command.
 */
export const openApp = async (): Promise<App> => {
  const running = await askApp(appPaths().runtimeDir, { do: 'info' })
  const sessionBus = running.ok ? running.value.sessionBus : null
  return createApp({ sampling: false, ...(sessionBus === null ? {} : { sessionBus }) })
}

/** Opens, does, and closes whatever happens. Answers the exit code. */
export const withApp = async (work: (app: App) => Promise<number>): Promise<number> => {
  const app = await openApp()
  try {
    return await work(app)
  } finally {
    app.close()
  }
}
