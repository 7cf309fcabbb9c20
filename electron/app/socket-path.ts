import { join } from 'node:path'

/** Where the running app of this user listens. */
export const socketPath = (runtimeDir: string): string => join(runtimeDir, 'app.sock')
