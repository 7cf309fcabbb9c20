import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What to type instead where "agentmemctl", as every hint says it, is no command yet; null where it is one. */
export const howToReach = (path = process.env['PATH'] ?? '', called = process.argv[1] ?? ''): string | null => {
  if (path.split(':').some((folder) => folder.startsWith('/') && existsSync(join(folder, 'agentmemctl')))) return null
  return `"agentmemctl" is not in your PATH: here it is ${resolve(called)}. Installing the helper, in Settings, makes it a command for everybody.`
}
