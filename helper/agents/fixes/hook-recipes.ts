import { join } from 'node:path'
import { fail, ok } from '../../contract/result.ts'
import { missing } from '../../contract/known.ts'
import { switchedOff, withHooks, withoutHooks, type HookEvent } from './json-hooks.ts'
import type { FixPlace, Recipe } from './recipe.ts'
import { tomlOf, withMarkedFirst, withoutMarked } from './toml-lines.ts'

/**
 * Hooks by which an agent says itself when a turn begins and ends. They run
 * `agentmem-hook AGENT EVENT`, a fixed line, which tells the session role and
 * prints nothing; without that role running it ends at once.
 */
const TEXT = 'It says when a turn begins and ends, so that it is known for sure when it is idle. Each event starts a small program for a few milliseconds; nothing of what you type or get is read or kept.'

const noSaving = (): ReturnType<Recipe['savesBytes']> => missing('not-measured', 'hooks make suspending surer; they save nothing by themselves')

/** Claude Code: https://code.claude.com/docs/en/hooks */
const CLAUDE_EVENTS: readonly HookEvent[] = [
  { event: 'SessionStart', words: ['claude-code', 'session-start'] },
  { event: 'UserPromptSubmit', words: ['claude-code', 'turn-start'] },
  { event: 'PreToolUse', matcher: '*', words: ['claude-code', 'tool-start'] },
  { event: 'PostToolUse', matcher: '*', words: ['claude-code', 'tool-end'] },
  { event: 'Notification', matcher: 'permission_prompt|worker_permission_prompt|agent_needs_input|elicitation_dialog', words: ['claude-code', 'asking'] },
  // A minute at its prompt: an end that Stop did not tell. After Esc neither comes (seen in 2.1.329); there the
  // activity decision stops trusting the last word by itself.
  { event: 'Notification', matcher: 'idle_prompt', words: ['claude-code', 'turn-end'] },
  { event: 'Stop', words: ['claude-code', 'turn-end'] },
  { event: 'SessionEnd', words: ['claude-code', 'session-end'] },
]

export const claudeHooks: Recipe = {
  id: 'hooks-claude-code',
  kind: 'hooks',
  title: 'Claude Code tells what it does',
  text: TEXT,
  concerns: ({ kind }) => kind === 'claude-code',
  savesBytes: noSaving,
  files: ({ home }) => [join(home, '.claude/settings.json')],
  apply: ({ hookProgram }, path, text) => {
    const allowed = switchedOff(path, text, (settings) => settings['disableAllHooks'] === true)
    return allowed.ok ? withHooks(path, text, hookProgram, CLAUDE_EVENTS, { timeout: 5 }) : allowed
  },
  revert: ({ hookProgram }, path, text) => withoutHooks(path, text, hookProgram),
}

/** Gemini CLI: its docs/hooks/reference.md; timeouts are milliseconds there. */
const GEMINI_EVENTS: readonly HookEvent[] = [
  { event: 'SessionStart', words: ['gemini-cli', 'session-start'] },
  { event: 'BeforeAgent', words: ['gemini-cli', 'turn-start'] },
  { event: 'BeforeTool', matcher: '.*', words: ['gemini-cli', 'tool-start'] },
  { event: 'AfterTool', matcher: '.*', words: ['gemini-cli', 'tool-end'] },
  { event: 'Notification', words: ['gemini-cli', 'asking'] },
  { event: 'AfterAgent', words: ['gemini-cli', 'turn-end'] },
  { event: 'SessionEnd', words: ['gemini-cli', 'session-end'] },
]

const isOffInGemini = (settings: Record<string, unknown>): boolean => {
  const config = settings['hooksConfig']
  return typeof config === 'object' && config !== null && Reflect.get(config, 'enabled') === false
}

export const geminiHooks: Recipe = {
  id: 'hooks-gemini-cli',
  kind: 'hooks',
  title: 'Gemini CLI tells what it does',
  text: TEXT,
  concerns: ({ kind }) => kind === 'gemini-cli',
  savesBytes: noSaving,
  files: ({ home }) => [join(home, '.gemini/settings.json')],
  apply: ({ hookProgram }, path, text) => {
    const allowed = switchedOff(path, text, isOffInGemini)
    return allowed.ok ? withHooks(path, text, hookProgram, GEMINI_EVENTS, { name: 'agentmem', timeout: 5000 }) : allowed
  },
  revert: ({ hookProgram }, path, text) => withoutHooks(path, text, hookProgram),
}

const CODEX_MARK = '# Agent Memory Center: says when a turn has ended'

/** Codex: `notify` of config.toml, called with the event as JSON behind the words given here. */
export const codexHooks: Recipe = {
  id: 'hooks-codex',
  kind: 'hooks',
  title: 'Codex tells when it has answered',
  text: `${TEXT} Codex tells the end of a turn only.`,
  concerns: ({ kind }) => kind === 'codex',
  savesBytes: noSaving,
  files: ({ home }) => [join(home, '.codex/config.toml')],
  apply: ({ hookProgram }, path, text) => {
    const others = withoutMarked(text ?? '', CODEX_MARK)
    const settings = tomlOf(path, others)
    if (!settings.ok) return settings
    if (Object.hasOwn(settings.value, 'notify')) return fail('not-supported', `Codex already notifies another program; it knows only one.`, { about: path, got: JSON.stringify(settings.value['notify']).slice(0, 120) })
    return ok(withMarkedFirst(text ?? '', CODEX_MARK, `notify = [${JSON.stringify(hookProgram)}, "codex", "turn-end"]`))
  },
  revert: (_place, _path, text) => {
    const rest = withoutMarked(text ?? '', CODEX_MARK)
    return ok(text === null || rest.trim() === '' ? null : rest)
  },
}

const opencodePlugin = ({ hookProgram }: FixPlace): string => `// Agent Memory Center: tells when a turn begins and ends. Written and removed by it; it reads no messages.
import { spawn } from 'node:child_process'

// One word after the other: each is a process, and the last one counts.
let before = Promise.resolve()
const tell = (event, sessionId) => {
  before = before.then(() => new Promise((resolve) => {
    const child = spawn(${JSON.stringify(hookProgram)}, ['opencode', event, String(sessionId ?? '')], { stdio: 'ignore' })
    child.on('error', resolve)
    child.on('close', resolve)
  }))
}

// Sessions at work, a subagent's too; they speak under the name of the first.
const busy = new Set()
const first = (sessionID) => busy.values().next().value ?? sessionID
const begin = (sessionID) => {
  if (busy.has(sessionID)) return
  busy.add(sessionID)
  if (busy.size === 1) tell('turn-start', sessionID)
}
const end = (sessionID) => {
  const name = first(sessionID)
  if (busy.delete(sessionID) && busy.size === 0) tell('turn-end', name)
}

export const AgentMemory = async () => ({
  event: async ({ event }) => {
    const { sessionID, status, info } = event.properties ?? {}
    if (event.type === 'session.status' && status?.type === 'busy') begin(sessionID)
    if (event.type === 'session.status' && status?.type === 'idle') end(sessionID)
    if (event.type === 'session.idle' || event.type === 'session.error') end(sessionID)
    if (event.type === 'session.deleted') end(info?.id ?? sessionID)
    if (event.type === 'permission.asked' || event.type === 'permission.updated' || event.type === 'question.asked') tell('asking', first(sessionID))
  },
  'tool.execute.before': async ({ sessionID }) => tell('tool-start', first(sessionID)),
  'tool.execute.after': async ({ sessionID }) => {
    if (busy.size > 0) tell('tool-end', first(sessionID))
  },
})
`

/** opencode: a plugin file of its own in the user's folder of plugins. */
export const opencodeHooks: Recipe = {
  id: 'hooks-opencode',
  kind: 'hooks',
  title: 'opencode tells what it does',
  text: `${TEXT} With a plugin opencode waits at its start until its own package for plugins is installed: a minute or more where it was never started with a network before.`,
  concerns: ({ kind }) => kind === 'opencode',
  savesBytes: noSaving,
  files: ({ configHome }) => [join(configHome, 'opencode/plugin/agentmem.js')],
  apply: (place, path, text) => {
    const ours = opencodePlugin(place)
    if (text !== null && !text.startsWith('// Agent Memory Center: ')) return fail('not-supported', `${path} is somebody else's file.`, { about: path })
    return ok(ours)
  },
  revert: (_place, _path, text) => ok(text?.startsWith('// Agent Memory Center: ') === true ? null : text),
}
