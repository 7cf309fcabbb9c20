import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'

/** How agents are called and texts are shown in one report. */
export interface Privacy {
  readonly private: boolean
  /** "web-shop (Claude Code)", or "Claude Code 1" where names stay out. */
  agent(id: string): string
  /** A sentence that a failure or a step may have put a folder or a project into. */
  text(text: string): string
  /** A value of a kernel file or a device: it may hold a path, never a sentence. */
  value(text: string): string
}

/** Places that are the same on every machine: they tell nothing about the user. */
const PUBLIC_PATH = /^\/(?:sys|proc|dev|run\/agentmem|etc\/agentmem|var\/lib\/agentmem|usr)(?:\/|$)/u
const PATH = /(?<![\w.~/<-])~?\/(?:[^\s/'"`,;:)\]}<>|]+\/?)+/gu

const scrubPaths = (text: string): string => text.replaceAll(PATH, (path) => (PUBLIC_PATH.test(path) ? path : '(a folder)'))

const escapeRegExp = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`)

/**
 * Names of agents come from folder names, so they are private, as are paths of
 * the user. Without `isPrivate` an agent is named by its kind and a number.
 */
export const createPrivacy = (delta: SnapshotDelta | null, isPrivate: boolean): Privacy => {
  const agents = delta?.agents ?? []
  if (isPrivate) {
    const names = new Map(agents.map((agent) => [agent.id, agent.name === agent.title ? agent.title : `${agent.name} (${agent.title})`]))
    return { private: true, agent: (id) => names.get(id) ?? 'an agent', text: (text) => text, value: (text) => text }
  }
  const aliases = new Map<string, string>()
  const counts = new Map<string, number>()
  for (const { id, title } of agents.toSorted((a, b) => (a.title === b.title ? Number(a.id.split(':')[1]) - Number(b.id.split(':')[1]) : a.title < b.title ? -1 : 1))) {
    const count = (counts.get(title) ?? 0) + 1
    counts.set(title, count)
    aliases.set(id, `${title} ${count}`)
  }
  // Longest first, so that "web-shop" does not leave the end of "web-shop-old".
  const names = [...new Set(agents.filter((agent) => agent.name !== agent.title && agent.name.length > 1).map((agent) => agent.name))].toSorted((a, b) => b.length - a.length)
  const named = names.length === 0 ? null : new RegExp(`(?<![\\w-])(?:${names.map(escapeRegExp).join('|')})(?![\\w-])`, 'gu')
  return {
    private: false,
    agent: (id) => aliases.get(id) ?? 'an agent',
    value: scrubPaths,
    // A project called "ksm" must not tear a kernel path apart: names are looked for beside paths only.
    text: (text) => {
      const paths = [...text.matchAll(PATH)].map((match) => scrubPaths(match[0]))
      const beside = text.split(PATH).map((part) => (named === null ? part : part.replaceAll(named, '(a project)')))
      return beside.map((part, i) => part + (paths[i] ?? '')).join('')
    },
  }
}
