const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const page = (title: string, body: string, head = ''): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>${head}<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1.5rem}code{background:#8882;padding:.1em .4em;border-radius:4px}</style></head><body>${body}</body></html>`

/** The 0600 file that hands the token over: it posts it, so that no argument list ever holds it. */
export const launcherPage = (address: string, token: string): string =>
  page(
    'Opening Agent Memory Center',
    `<form method="post" action="${escape(address)}/token" id="f"><input type="hidden" name="token" value="${escape(token)}"><p>Opening Agent Memory Center...</p><button>Open</button></form><script>document.getElementById('f').submit()</script>`,
  )

/**
 * After the token: a page of our own that goes on to the window. A redirect
 * would still count as coming from the launcher, and the strict cookie would
 * not be sent with it.
 */
export const signedInPage = (): string =>
  page('Agent Memory Center', '<p>One moment...</p><p><a href="/">Open Agent Memory Center</a></p>', '<meta http-equiv="refresh" content="0;url=/">')

export const signInPage = (): string =>
  page(
    'Agent Memory Center',
    '<h1>This window needs to be opened from your terminal</h1><p>The address you used was opened before or is older than ten minutes. Run <code>agentmemctl open</code> to get a new one. If you have this app open already in this browser, <a href="/">continue here</a>.</p>',
  )

export const notBuiltPage = (): string =>
  page('Agent Memory Center', '<h1>The window is not built yet</h1><p>Start the app with <code>npm start</code>, which builds it, or run <code>npm run build</code> once.</p>')
