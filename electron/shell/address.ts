/** A scheme of its own: no file: pages, and a secure origin with a policy of ours. */
export const SCHEME = 'agentmem'
export const WINDOW_ADDRESS = `${SCHEME}://window/`

/** Only our own window may call: the frame's address is the browser's word, not the page's. */
export const isOwnPage = (url: string | undefined): boolean => {
  if (url === undefined || !URL.canParse(url)) return false
  const { protocol, host } = new URL(url)
  return protocol === `${SCHEME}:` && host === 'window'
}

/** Links to the web open in the user's browser; everything else goes nowhere. */
export const isWebLink = (url: string): boolean => URL.canParse(url) && new URL(url).protocol === 'https:'
