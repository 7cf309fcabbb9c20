import { basename } from 'node:path'
import type { ProcessRole, SignaturesFile } from '../contract/agents.ts'
import type { Identity } from './identity.ts'

type ChildRule = SignaturesFile['children'][number]

const LAUNCHERS = new Set(['npx', 'npm', 'npx-cli', 'npm-cli', 'pnpm', 'yarn', 'bunx', 'uvx', 'uv', 'pipx', 'docker', 'podman'])

const stem = (name: string): string => name.replace(/\.(?:[cm]?js|ts|py|sh|exe)$/u, '')

/** Names that a process goes by: program, called name, script. */
export const namesOf = (identity: Identity): string[] => {
  const called = basename(identity.argv[0] ?? '').replace(/^-/u, '')
  const paths = [identity.name, called, identity.scriptArgument, identity.script, identity.module]
  return [...new Set(paths.flatMap((path) => (path === null || path === '' ? [] : [basename(path), stem(basename(path))])))]
}

const PACKAGES = /^.*\/(?:node_modules|site-packages|dist-packages)\//su

/** Segments of a script that say what it is: those inside its package, else the last three. */
const scriptSegments = (script: string): string[] => {
  const inside = script.replace(PACKAGES, '')
  return inside === script ? script.split('/').filter((part) => part !== '').slice(-3) : inside.split('/')
}

/** Words by which a rule's `argument` may recognise a process: never a path that it merely works on. */
export const subjectsOf = (identity: Identity): string[] => {
  const names = namesOf(identity)
  const launcher = names.some((name) => LAUNCHERS.has(name))
  const plain = identity.rest.filter((word) => !word.startsWith('-') && word.length < 200).slice(0, launcher ? 4 : 2)
  const words = launcher ? plain.flatMap((word) => word.split('/')) : plain.filter((word) => !word.includes('/'))
  return [...names, ...(identity.script === null ? [] : scriptSegments(identity.script)), ...(identity.module === null ? [] : [identity.module]), ...words]
}

/** "mcp" is a word of "github-mcp-server" and of "mcp.js", not of "mcpherson". */
export const isWordOf = (segment: string, word: string): boolean => {
  const plain = (text: string): string => text.toLowerCase().replace(/^@/u, '').replaceAll(/[._@]/gu, '-')
  return `-${plain(segment)}-`.includes(`-${plain(word)}-`)
}

const ruleFits = (rule: ChildRule, names: readonly string[], subjects: readonly string[]): boolean => {
  if (rule.executable === undefined && rule.argument === undefined) return false
  if (rule.executable !== undefined && !rule.executable.some((name) => names.includes(name))) return false
  return rule.argument === undefined || rule.argument.some((word) => subjects.some((subject) => isWordOf(subject, word)))
}

const NOTHING_SAID = new Set(['index', 'main', 'cli', 'server', 'start', 'app', 'run', 'dist', 'build', 'src', 'lib', 'bin', 'node', 'python3', 'python', 'bun', 'serve', 'stdio', 'sse', 'http', 'node_modules'])

/** Short name of a process for a person: the script rather than its interpreter, the package rather than "index.js". */
export const shortName = (identity: Identity): string => {
  if (!identity.interpreter) return stem(basename(identity.argv[0] ?? '').replace(/^-/u, '') || identity.name)
  if (identity.module !== null) return identity.module
  if (identity.script === null) return identity.argv.length === 1 ? (identity.argv[0] ?? identity.name) : identity.name
  const parts = scriptSegments(identity.script).map(stem).toReversed()
  return parts.find((part) => !NOTHING_SAID.has(part)) ?? identity.name
}

const MCP_WORDS = /(?:^|[-_.])(?:mcp|server|modelcontextprotocol)(?=$|[-_.])/gu

/** What is left of a segment without version and the words that every MCP server has; empty where nothing is. */
const mcpName = (segment: string | undefined): string => {
  const bare = stem((segment ?? '').replace(/(?<=.)@[^/]*$/u, '').replace(/^@/u, '')).replaceAll(MCP_WORDS, '').replaceAll(/^[-_.]+|[-_.]+$/gu, '')
  return NOTHING_SAID.has(bare) ? '' : bare
}

/** "@modelcontextprotocol/server-filesystem" is the "filesystem MCP server", "@playwright/mcp" the "playwright" one. */
export const mcpLabel = (identity: Identity): string => {
  const program = identity.interpreter ? [...scriptSegments(identity.script ?? ''), identity.module ?? ''] : namesOf(identity)
  const segments = [...program, ...identity.rest.flatMap((word) => (word.startsWith('-') ? [] : word.split('/')))]
  const at = segments.findIndex((segment) => isWordOf(segment, 'mcp') || isWordOf(segment, 'modelcontextprotocol'))
  const [before, own, after] = [segments[at - 1], segments[at], segments[at + 1]]
  const candidates = before?.startsWith('@') === true ? [own, before] : identity.interpreter ? [own, after] : [own, after, before]
  const name = candidates.map(mcpName).find((part) => part !== '')
  return name === undefined ? 'MCP server' : `${name} MCP server`
}

const labelOf = (rule: ChildRule, identity: Identity, subjects: readonly string[]): string => {
  if (rule.label !== undefined) return rule.label
  if (rule.role === 'mcp-server') return mcpLabel(identity)
  const named = (segment: string): boolean => rule.argument?.some((word) => isWordOf(segment, word)) === true
  if (rule.executable === undefined) return stem(subjects.find(named) ?? shortName(identity))
  const name = rule.executable.find((executable) => namesOf(identity).includes(executable)) ?? shortName(identity)
  const word = rule.argument?.find((argument) => subjects.some((subject) => isWordOf(subject, argument)))
  return word === undefined ? name : `${name} ${word}`
}

/** Role and label of a child by the first rule that fits; null where none does. */
export const childByRule = (identity: Identity, rules: readonly ChildRule[]): { role: ProcessRole; label: string } | null => {
  const names = namesOf(identity)
  const subjects = subjectsOf(identity)
  const rule = rules.find((candidate) => ruleFits(candidate, names, subjects))
  return rule === undefined ? null : { role: rule.role, label: labelOf(rule, identity, subjects) }
}
