import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const TOKEN_MS = 10 * 60_000
const MOST_TOKENS = 16
const MOST_SESSIONS = 64

/** Who may talk to the server: one-time tokens become cookies. Only digests are kept. */
export interface Access {
  newToken(): string
  /** The cookie's value, once; null for a token that is unknown, used or older than ten minutes. */
  redeem(token: string): string | null
  allows(cookieHeader: string | undefined): boolean
  readonly cookieName: string
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const take = (from: { digest: Buffer; untilMs: number }[], secret: string, nowMs: number): number => {
  const wanted = digest(secret)
  return from.findIndex((entry) => entry.untilMs > nowMs && timingSafeEqual(entry.digest, wanted))
}

/** `name` tells hosts on the same machine apart: cookies do not know ports. */
export const createAccess = (name: string, now: () => number = Date.now): Access => {
  const tokens: { digest: Buffer; untilMs: number }[] = []
  const sessions: { digest: Buffer; untilMs: number }[] = []
  const cookieName = `agentmem-${name}`
  return {
    cookieName,
    newToken() {
      const token = randomBytes(32).toString('base64url')
      tokens.push({ digest: digest(token), untilMs: now() + TOKEN_MS })
      if (tokens.length > MOST_TOKENS) tokens.shift()
      return token
    },
    redeem(token) {
      const at = take(tokens, token, now())
      if (at < 0) return null
      tokens.splice(at, 1)
      const value = randomBytes(32).toString('base64url')
      sessions.push({ digest: digest(value), untilMs: Number.POSITIVE_INFINITY })
      if (sessions.length > MOST_SESSIONS) sessions.shift()
      return value
    },
    allows(cookieHeader) {
      for (const part of (cookieHeader ?? '').split(';')) {
        const [key, value] = part.trim().split('=', 2)
        if (key === cookieName && value !== undefined && take(sessions, value, now()) >= 0) return true
      }
      return false
    },
  }
}
