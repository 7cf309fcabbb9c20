import type { IncomingHttpHeaders } from 'node:http'

/** Any port: `ssh -L 9000:127.0.0.1:43210` shows another one. Any other name is a page that rebinds DNS. */
const LOCAL_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/u

export const isLocalHost = (host: string | undefined): boolean => host !== undefined && LOCAL_HOST.test(host)

/**
 * A changing request must say that it comes from our own page. `fromLauncher`:
 * the launcher is a local file, whose origin a browser sends as "null".
 */
export const isOwnOrigin = (headers: IncomingHttpHeaders, fromLauncher = false): boolean => {
  const { origin, host } = headers
  if (origin === undefined || host === undefined) return false
  return origin === `http://${host}` || (fromLauncher && origin === 'null')
}

/** For GET, which carries no Origin: what the browser says of the page that asks. Programs that are no browser say nothing. */
export const isOwnFetch = (headers: IncomingHttpHeaders): boolean => {
  const site = headers['sec-fetch-site']
  return site === undefined || site === 'same-origin' || site === 'none'
}
