import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'

/** Inline style is what the primitives library needs for its positions; scripts come from our own files only. */
export const WINDOW_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.map': 'application/json; charset=utf-8',
}

export interface StaticFile {
  body: Buffer
  type: string
  /** Vite puts a digest into the names below assets/: those never change. */
  immutable: boolean
}

/** A file below `folder`, or null; nothing outside of it, no dot files, only known types. */
export const readStatic = async (folder: string, urlPath: string): Promise<StaticFile | null> => {
  let decoded: string
  try {
    decoded = decodeURIComponent(urlPath)
  } catch {
    return null
  }
  if (decoded.includes('\0')) return null
  const path = normalize(decoded === '/' ? '/index.html' : decoded)
  const type = TYPES[extname(path)]
  if (type === undefined || path.split(sep).some((part) => part.startsWith('.'))) return null
  try {
    return { body: await readFile(join(folder, path)), type, immutable: path.startsWith('/assets/') }
  } catch {
    return null
  }
}
