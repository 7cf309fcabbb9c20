import type { Agent } from '../../helper/contract/agents.ts'
import type { Duplicate, Fix, Orphan } from '../../helper/contract/lifecycle.ts'
import { known, missing } from '../../helper/contract/known.ts'
import { MB } from './fleet.ts'

const hours = (n: number): number => n * 3_600_000
const ref = (pid: number) => ({ pid, startTimeTicks: 90_000 + pid })

/** Servers whose sessions are gone. */
export const orphansAtStart = (): Orphan[] => [
  { ...ref(3011), role: 'language-server', label: 'typescript-language-server', costBytes: known(412 * MB), ageMs: hours(7), why: 'Its session ended 3 h ago; its parent is now the user’s systemd.', children: [ref(3012), ref(3019)] },
  { ...ref(3102), role: 'mcp-server', label: 'filesystem MCP server', costBytes: known(58 * MB), ageMs: hours(26), why: 'Its session ended 21 h ago; nobody is at the other end of its pipe.', children: [] },
  { ...ref(3140), role: 'mcp-server', label: 'github MCP server', costBytes: known(91 * MB), ageMs: hours(26), why: 'Its session ended 21 h ago; nobody is at the other end of its pipe.', children: [] },
  { ...ref(3233), role: 'test-run', label: 'vitest', costBytes: missing('not-permitted', 'smaps_rollup could not be read.'), ageMs: hours(1.2), why: 'It outlived the agent that started it by 52 min.', children: [ref(3240)] },
]

/** The same server several times, with the agents of the fleet it belongs to. */
export const duplicatesOf = (agents: readonly Agent[]): Duplicate[] => {
  const servers = (label: string) =>
    agents.flatMap((agent) => agent.processes.filter((process) => process.label === label).map((process) => ({ pid: process.pid, startTimeTicks: process.startTimeTicks, agentId: agent.id, costBytes: process.memory.value === null ? process.memory : known(process.memory.value.pssBytes) })))
  const of = (label: string, role: Duplicate['role'], share: Duplicate['share']): Duplicate[] => {
    const processes = servers(label)
    if (processes.length < 2) return []
    const cost = processes.reduce((sum, process) => sum + (process.costBytes.value ?? 0), 0)
    return [{ label, role, processes, costBytes: known(cost), couldSaveBytes: share.possible ? known(Math.round((cost * (processes.length - 1)) / processes.length)) : missing('not-measured', 'One cannot serve several sessions.'), share }]
  }
  return [
    ...of('filesystem MCP server', 'mcp-server', { possible: true, text: 'It speaks HTTP: start it once with --port 3845 and give each session its address, http://127.0.0.1:3845/mcp.' }),
    ...of('typescript-language-server', 'language-server', { possible: false, text: 'It speaks over a pipe only, so each session needs its own.' }),
    ...of('gopls', 'language-server', { possible: true, text: 'gopls shares itself: set its arguments to -remote=auto.' }),
  ]
}

const settingsBefore = `{
  "env": {
    "FORCE_COLOR": "1"
  },
  "permissions": {
    "allow": ["Bash(npm test)"]
  }
}
`
const settingsAfter = `{
  "env": {
    "FORCE_COLOR": "1"
  },
  "permissions": {
    "allow": ["Bash(npm test)"]
  },
  "hooks": {
    "UserPromptSubmit": [{ "hooks": [{ "type": "command", "command": "/usr/lib/agentmem/agentmem-hook claude-code prompt" }] }],
    "Stop": [{ "hooks": [{ "type": "command", "command": "/usr/lib/agentmem/agentmem-hook claude-code stop" }] }]
  }
}
`

const digest = (n: number): string => n.toString(16).padStart(64, 'a')

/** Known waste, hooks and shims; one of each state. */
export const fixesAtStart = (agents: readonly Agent[]): Fix[] => {
  const ids = (kind: string): string[] => agents.filter((agent) => agent.kind === kind).map((agent) => agent.id)
  return [
    {
      id: 'gemini-no-relaunch',
      kind: 'waste',
      title: 'Gemini CLI without its relaunching parent',
      text: 'Each Gemini CLI starts itself a second time and keeps the first, which does nothing more and holds about 106 MB. New sessions start once.',
      state: 'offered',
      savesBytes: known(ids('gemini-cli').length * 106 * MB),
      agents: ids('gemini-cli'),
      changes: [{ path: '/home/ada/.config/environment.d/60-agentmem.conf', before: null, after: 'GEMINI_CLI_NO_RELAUNCH=true\n' }],
      digest: digest(1),
      undo: [],
      problem: null,
    },
    {
      id: 'codex-shared-binary',
      kind: 'waste',
      title: 'One copy of Codex for all homes',
      text: 'Codex copies its 294 MB program into each home, so its pages are never shared.',
      state: 'not-possible',
      savesBytes: missing('not-measured', 'There is one home only.'),
      agents: [],
      changes: [],
      digest: digest(2),
      undo: [],
      problem: 'Codex runs from one home only here, so there is nothing to share.',
    },
    {
      id: 'hooks-claude-code',
      kind: 'hooks',
      title: 'Claude Code says when it is busy',
      text: 'Two hooks in your own settings tell when a turn begins and ends. With them an agent that waits for its model is never taken for idle.',
      state: 'offered',
      savesBytes: missing('not-measured', 'Hooks save nothing themselves.'),
      agents: ids('claude-code'),
      changes: [{ path: '/home/ada/.claude/settings.json', before: settingsBefore, after: settingsAfter }],
      digest: digest(3),
      undo: [],
      problem: null,
    },
    {
      id: 'hooks-opencode',
      kind: 'hooks',
      title: 'opencode says when it is busy',
      text: 'A small plugin in your own configuration tells when a turn begins and ends.',
      state: 'applied',
      savesBytes: missing('not-measured', 'Hooks save nothing themselves.'),
      agents: ids('opencode'),
      changes: [],
      digest: digest(4),
      undo: [{ path: '/home/ada/.config/opencode/plugin/agentmem.js', before: 'export const AgentMemory = async () => ({})\n', after: null }],
      problem: null,
    },
    {
      id: 'shim-bash',
      kind: 'shim',
      title: 'Start agents under this app from bash',
      text: 'Typing claude, gemini, codex or opencode starts them through agentmemctl run, in a cgroup of their own.',
      state: 'changed-since',
      savesBytes: missing('not-measured', 'It saves nothing by itself.'),
      agents: [],
      changes: [],
      digest: digest(5),
      undo: [{ path: '/home/ada/.bashrc', before: 'alias ll="ls -l"\n. ~/.config/agentmem/shims.sh # changed by hand\n', after: 'alias ll="ls -l"\n' }],
      problem: 'The line in ~/.bashrc was changed by hand since; taking it back removes it as it is now.',
    },
  ]
}
