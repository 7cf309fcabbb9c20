import { protocol } from 'electron'
import { readStatic, WINDOW_CSP } from '../app/static-files.ts'
import { isOwnPage, SCHEME } from './address.ts'

/** Before the app is ready: the scheme counts as secure, so that the window's policy holds. */
export const declareScheme = (): void => {
  protocol.registerSchemesAsPrivileged([{ scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } }])
}

/** Serves the built window and nothing else. */
export const serveWindow = (rendererDir: string): void => {
  protocol.handle(SCHEME, async (request) => {
    const file = isOwnPage(request.url) ? await readStatic(rendererDir, new URL(request.url).pathname) : null
    if (file === null) return new Response('Not found.', { status: 404 })
    return new Response(new Uint8Array(file.body), {
      headers: { 'content-type': file.type, 'content-security-policy': WINDOW_CSP, 'x-content-type-options': 'nosniff' },
    })
  })
}
