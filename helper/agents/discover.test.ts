import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeRoot, type MadeProcess, type MadeRoot } from '../test/proc-tree.ts'
import { readProcessTable } from '../observe/process.ts'
import { createIdentityCache, discoverAgents } from './discover.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from './signatures.ts'

const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH)
if (!loaded.ok) throw new Error(loaded.error.message)
const signatures = loaded.value

let made: MadeRoot
beforeEach(() => {
  made = makeRoot()
})
afterEach(() => made.remove())

const found = (...processes: readonly MadeProcess[]) => {
  made.run(...processes)
  return discoverAgents(readProcessTable(made.root), createIdentityCache(made.root).of, signatures)
}
const kinds = (...processes: readonly MadeProcess[]): string[] => found(...processes).map((tree) => tree.signature.kind)
const roles = (...processes: readonly MadeProcess[]): string[] =>
  found(...processes).flatMap((tree) => tree.members.slice(1).map((member) => `${member.role}: ${member.label}`))

const NODE = '/usr/bin/node'
const LIB = '/usr/lib/node_modules'
const CLAUDE = `${LIB}/@anthropic-ai/claude-code/bin/claude.exe`
const claude: MadeProcess = { pid: 100, exe: CLAUDE, argv: ['claude'] }

describe('agents as they are installed', () => {
  const cases: readonly [string, string, Omit<MadeProcess, 'pid'>][] = [
    ['claude-code', 'npm, native', { exe: CLAUDE, argv: ['claude', '--continue'] }],
    ['claude-code', 'platform package', { exe: `${LIB}/@anthropic-ai/claude-code-linux-x64/claude`, argv: ['claude'] }],
    ['claude-code', 'native installer, program named by version', { exe: '/home/dev/.local/share/claude/versions/2.1.197', argv: ['claude', '-p', 'fix the mcp server'] }],
    ['claude-code', 'updated while running', { exe: '/home/dev/.local/share/claude/versions/2.1.197 (deleted)', argv: ['claude'] }],
    ['claude-code', 'editor extension', { exe: '/home/dev/.vscode/extensions/anthropic.claude-code-2.1-linux-x64/resources/native-binary/claude', argv: ['claude', '--output-format', 'stream-json'] }],
    ['claude-code', 'node script', { exe: NODE, argv: ['node', '--no-warnings', `${LIB}/@anthropic-ai/claude-code/cli.js`] }],
    ['claude-code', 'node script behind its title', { exe: NODE, argv: ['claude'], comm: 'claude', environment: ['HOME=/home/dev', `_=${LIB}/@anthropic-ai/claude-code/cli.js`] }],
    ['codex', 'native', { exe: `${LIB}/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex`, argv: ['codex', '-c', 'a=b'] }],
    ['codex', 'launcher', { exe: NODE, argv: ['node', `${LIB}/@openai/codex/bin/codex.js`] }],
    ['codex', 'exec in a script', { exe: '/home/dev/.cargo/bin/codex', argv: ['codex', 'exec', 'write a login page'] }],
    ['gemini-cli', 'script', { exe: NODE, argv: ['node', '--max-old-space-size=8000', `${LIB}/@google/gemini-cli/bundle/gemini.js`] }],
    ['gemini-cli', 'node with a version in its name', { exe: '/usr/bin/node24', argv: ['node24', `${LIB}/@google/gemini-cli/dist/index.js`] }],
    ['gemini-cli', 'bun', { exe: '/home/dev/.bun/bin/bun', argv: ['bun', 'run', '/home/dev/.bun/install/global/node_modules/@google/gemini-cli/dist/index.js'] }],
    ['opencode', 'npm', { exe: `${LIB}/opencode-ai/bin/opencode.exe`, argv: ['opencode'] }],
    ['opencode', 'own installer', { exe: '/home/dev/.opencode/bin/opencode', argv: ['opencode', 'run', 'hello'] }],
    ['aider', 'console script', { exe: '/usr/bin/python3.11', argv: ['/usr/bin/python3', '/home/dev/.local/bin/aider', '--model', 'x'] }],
    ['aider', 'module', { exe: '/usr/bin/python3.12', argv: ['python3', '-u', '-m', 'aider'] }],
    ['goose', 'session', { exe: '/home/dev/.local/bin/goose', argv: ['goose', 'session'] }],
    ['copilot-cli', 'node', { exe: NODE, argv: ['node', `${LIB}/@github/copilot/index.js`] }],
    ['copilot-cli', 'native', { exe: `${LIB}/@github/copilot-linux-x64/copilot`, argv: ['copilot'] }],
    ['cursor-agent', 'its own node', { exe: '/home/dev/.local/share/cursor-agent/versions/2026.11.01/node', argv: ['/home/dev/.local/bin/cursor-agent', '--use-system-ca', '/home/dev/.local/share/cursor-agent/versions/2026.11.01/index.js'] }],
    ['amp', 'node', { exe: NODE, argv: ['node', `${LIB}/@sourcegraph/amp/dist/main.js`] }],
    ['amp', 'binary', { exe: '/home/dev/.amp/bin/amp', argv: ['amp'] }],
    ['qwen-code', 'script', { exe: NODE, argv: ['node', `${LIB}/@qwen-code/qwen-code/cli.js`] }],
  ]
  test.each(cases)('%s: %s', (kind, _, process) => {
    expect(kinds({ pid: 100, ...process })).toEqual([kind])
  })

  test('a script started through a link, also a relative one', () => {
    made.put('/usr/bin/gemini', '../lib/node_modules/@google/gemini-cli/bundle/gemini.js')
    made.put('/home/dev/project/node_modules/.bin/qwen', '../@qwen-code/qwen-code/cli.js')
    expect(kinds(
      { pid: 100, exe: NODE, argv: ['node', '/usr/bin/gemini'] },
      { pid: 200, exe: NODE, argv: ['node', './node_modules/.bin/qwen'] },
    )).toEqual(['gemini-cli', 'qwen-code'])
  })

  test('a program that may not be read is known by its arguments', () => {
    expect(kinds({ pid: 100, argv: [CLAUDE] })).toEqual(['claude-code'])
  })
})

describe('decoys', () => {
  const decoys: readonly [string, Omit<MadeProcess, 'pid'>][] = [
    ['node server in a folder with the name', { exe: NODE, argv: ['node', '/srv/gemini-cli-proxy/server.js'] }],
    ['node server in a folder of exactly the name', { exe: NODE, argv: ['node', '/srv/gemini-cli/server.js'] }],
    ['node server named as an agent', { exe: NODE, argv: ['node', '/srv/claude.js'] }],
    ['node server with an agent as its title', { exe: NODE, argv: ['claude'], comm: 'claude', environment: ['_=/usr/bin/node'] }],
    ['package with a longer name', { exe: NODE, argv: ['node', `${LIB}/@google/gemini-cli-core/index.js`] }],
    ['package of another scope', { exe: NODE, argv: ['node', `${LIB}/@evil/gemini-cli/index.js`] }],
    ['package as an argument only', { exe: NODE, argv: ['node', '/srv/x.js', `${LIB}/@google/gemini-cli/bundle/gemini.js`] }],
    ['inline script', { exe: NODE, argv: ['node', '-e', 'require("@openai/codex")'] }],
    ['python server', { exe: '/usr/bin/python3.11', argv: ['python3', 'claude_server.py'] }],
    ['python server named aider', { exe: '/usr/bin/python3.11', argv: ['python3', '/srv/aider/server.py'] }],
    ['python module with a longer name', { exe: '/usr/bin/python3.11', argv: ['python3', '-m', 'aider_proxy'] }],
    ['python one-liner', { exe: '/usr/bin/python3.11', argv: ['python3', '-c', 'import aider'] }],
    ['gunicorn serving aider', { exe: '/usr/bin/python3.11', argv: ['python3', '/usr/bin/gunicorn', 'aider:app'] }],
    ['editor on a file', { exe: '/usr/bin/vim', argv: ['vim', 'claude.md'] }],
    ['search for the name', { exe: '/usr/bin/grep', argv: ['grep', '-r', 'opencode'] }],
    ['program in a folder called codex', { exe: '/home/dev/codex/target/debug/server', argv: ['./server'] }],
    ['a project of one\'s own called codex', { exe: '/home/dev/codex/bin/codex', argv: ['./codex'] }],
    ['bundled ripgrep of a package', { exe: `${LIB}/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/path/rg`, argv: ['rg', 'x'] }],
    ['editor\'s app-server', { exe: '/usr/local/bin/codex', argv: ['codex', 'app-server'] }],
    ['the same behind an option with a value', { exe: '/usr/local/bin/codex', argv: ['codex', '-c', 'model=x', 'app-server'] }],
    ['MCP server of Codex', { exe: '/usr/local/bin/codex', argv: ['codex', 'mcp-server'] }],
    ['MCP server of Claude Code', { exe: CLAUDE, argv: ['claude', 'mcp', 'serve'] }],
    ['browser bridge of Claude Code', { exe: CLAUDE, argv: ['claude', '--chrome-native-host'] }],
    ['Gemini CLI as an editor\'s back end', { exe: NODE, argv: ['node', `${LIB}/@google/gemini-cli/bundle/gemini.js`, '--experimental-acp'] }],
    ['opencode server', { exe: '/home/dev/.opencode/bin/opencode', argv: ['opencode', 'serve', '--port=4096'] }],
    ['Qwen server', { exe: NODE, argv: ['node', `${LIB}/@qwen-code/qwen-code/cli.js`, 'serve'] }],
    ['goose, the database migrator', { exe: '/usr/local/bin/goose', argv: ['goose', '-dir', 'migrations', 'postgres', 'dsn', 'up'] }],
    ['copilot, the AWS tool', { exe: '/usr/local/bin/copilot', argv: ['copilot', 'deploy'] }],
    ['amp, the text editor', { exe: '/usr/bin/amp', argv: ['amp', 'file.txt'] }],
    ['Claude desktop', { exe: '/usr/lib/claude-desktop/electron', argv: ['/usr/lib/claude-desktop/electron', '--type=renderer'] }],
    ['shell that mentions one', { exe: '/usr/bin/bash', argv: ['bash', '-c', 'cd /srv && claude --help'] }],
    ['tail of a log', { exe: '/usr/bin/tail', argv: ['tail', '-f', `${LIB}/@google/gemini-cli/log`] }],
    ['ssh to a host with the name', { exe: '/usr/bin/ssh', argv: ['ssh', 'claude'] }],
    ['docker image with the name', { exe: '/usr/bin/docker', argv: ['docker', 'run', '@openai/codex'] }],
    ['zombie', { argv: [], comm: 'claude', state: 'Z' }],
    ['kernel-like name without arguments', { argv: [], comm: 'claude' }],
    ['name with a newline', { exe: '/tmp/x\nclaude', argv: ['x\nclaude'], comm: 'x\nclaude' }],
  ]
  test.each(decoys)('%s', (_, process) => {
    expect(kinds({ pid: 100, ...process })).toEqual([])
  })

  test('a prompt may say anything', () => {
    expect(kinds(
      { pid: 100, exe: CLAUDE, argv: ['claude', 'explain the mcp server'] },
      { pid: 101, exe: NODE, argv: ['node', `${LIB}/@google/gemini-cli/bundle/gemini.js`, 'fix', 'the', 'mcp', 'extensions'] },
      { pid: 102, exe: CLAUDE, argv: ['claude', '--', 'mcp'] },
    )).toHaveLength(3)
  })
})

describe('trees', () => {
  test('launcher and relaunch are one agent; two sessions are two', () => {
    const gemini = [NODE, `${LIB}/@google/gemini-cli/bundle/gemini.js`]
    const trees = found(
      { pid: 100, exe: NODE, argv: gemini }, { pid: 101, parent: 100, exe: NODE, argv: gemini },
      { pid: 200, exe: NODE, argv: gemini }, { pid: 201, parent: 200, exe: NODE, argv: gemini },
    )
    expect(trees.map((tree) => [tree.top.pid, tree.members.map((member) => `${member.role}: ${member.label}`)])).toEqual([
      [100, ['main: Gemini CLI', 'main: Gemini CLI worker']],
      [200, ['main: Gemini CLI', 'main: Gemini CLI worker']],
    ])
  })

  test('Codex: node launcher, native program and its own app-server', () => {
    expect(roles(
      { pid: 100, exe: NODE, argv: ['node', `${LIB}/@openai/codex/bin/codex.js`] },
      { pid: 101, parent: 100, exe: `${LIB}/@openai/codex-linux-x64/vendor/x/bin/codex`, argv: ['codex'] },
      { pid: 102, parent: 101, exe: '/home/dev/.codex/packages/app-server-daemon/releases/0.169.0/bin/codex', argv: ['codex', 'app-server', '--listen', 'unix://'] },
    )).toEqual(['main: Codex worker', 'main: Codex worker'])
  })

  test('children are told apart', () => {
    expect(roles(
      claude,
      { pid: 101, parent: 100, exe: NODE, argv: ['npm exec @modelcontextprotocol/server-filesystem /home/dev'] },
      { pid: 102, parent: 101, exe: '/usr/bin/dash', argv: ['sh', '-c', 'mcp-server-filesystem /home/dev'] },
      { pid: 103, parent: 102, exe: NODE, argv: ['node', '/home/dev/.npm/_npx/a/node_modules/.bin/mcp-server-filesystem', '/home/dev'] },
      { pid: 104, parent: 100, exe: '/home/dev/go/bin/gopls', argv: ['gopls', '-mode=stdio'] },
      { pid: 105, parent: 104, exe: '/usr/lib/go/bin/go', argv: ['go', 'list', './...'] },
      { pid: 106, parent: 100, exe: '/usr/bin/bash', argv: ['/bin/bash', '-c', 'npm test'] },
      { pid: 107, parent: 106, exe: NODE, argv: ['npm test'] },
      { pid: 108, parent: 107, exe: '/usr/bin/dash', argv: ['sh', '-c', 'vitest run'] },
      { pid: 109, parent: 108, exe: NODE, argv: ['node', '/home/dev/project/node_modules/.bin/vitest', 'run'] },
      { pid: 110, parent: 100, exe: '/usr/bin/rg', argv: ['rg', 'mcp', '/srv/mcp'] },
      { pid: 111, parent: 100, exe: CLAUDE, argv: ['rg', '--files'] },
      { pid: 112, parent: 100, exe: '/usr/bin/bash', argv: ['-bash'] },
      { pid: 113, parent: 112, exe: '/usr/bin/sleep', argv: ['sleep', '100'] },
      { pid: 114, parent: 112, exe: '/usr/bin/cargo', argv: ['cargo', 'build', '--release'] },
      { pid: 115, parent: 114, exe: '/usr/bin/rustc', argv: ['rustc', '--crate-name', 'x'] },
      { pid: 116, parent: 112, exe: '/usr/bin/cargo', argv: ['cargo', 'test'] },
      { pid: 117, parent: 112, exe: '/home/dev/bin/deploy', argv: ['deploy', '/srv/mcp/x'] },
    )).toEqual([
      'mcp-server: filesystem MCP server',
      'language-server: gopls',
      'shell: bash',
      'tool: rg',
      'tool: rg',
      'shell: bash',
      'mcp-server: sh',
      'language-server: go',
      'test-run: npm test',
      'tool: sleep',
      'build: cargo build',
      'test-run: cargo test',
      'tool: deploy',
      'mcp-server: filesystem MCP server',
      'test-run: sh',
      'build: rustc',
      'test-run: vitest',
    ])
  })

  const servers: readonly [string, string, readonly string[]][] = [
    ['github MCP server', '/usr/local/bin/github-mcp-server', ['github-mcp-server', 'stdio']],
    ['playwright MCP server', NODE, ['npx', '-y', '@playwright/mcp@latest']],
    ['fetch MCP server', '/usr/bin/python3.11', ['python3', '-m', 'mcp_server_fetch']],
    ['my MCP server', NODE, ['node', '/home/dev/src/my-mcp-server/dist/index.js']],
    ['codex MCP server', '/usr/local/bin/codex', ['codex', 'mcp-server']],
    ['filesystem MCP server', '/usr/bin/docker', ['docker', 'run', '-i', '--rm', 'mcp/filesystem', '/projects']],
    ['claude MCP server', CLAUDE, ['claude', 'mcp', 'serve']],
    ['MCP server', '/usr/bin/python3.11', ['python3', '/srv/mcp/server.py']],
    ['context7 MCP server', NODE, ['node', '/home/dev/.npm/_npx/b/node_modules/@upstash/context7-mcp/dist/index.js']],
  ]
  test.each(servers)('%s', (label, exe, argv) => {
    expect(roles(claude, { pid: 101, parent: 100, exe, argv })).toEqual([`mcp-server: ${label}`])
  })

  test('language servers run by the agent\'s own program', () => {
    const opencode = '/home/dev/.opencode/bin/opencode'
    expect(roles(
      { pid: 100, exe: opencode, argv: ['opencode'] },
      { pid: 101, parent: 100, exe: opencode, argv: ['opencode', 'pyright-langserver', '--stdio'] },
      { pid: 102, parent: 100, exe: opencode, argv: ['opencode', './worker'] },
    )).toEqual(['language-server: pyright-langserver', 'main: opencode worker'])
  })

  test('an agent inside another is one of its own, and the outer one is known to wait', () => {
    const trees = found(
      claude,
      { pid: 101, parent: 100, exe: '/usr/bin/bash', argv: ['bash', '-c', 'codex exec x'] },
      { pid: 102, parent: 101, exe: '/usr/local/bin/codex', argv: ['codex', 'exec', 'x'] },
      { pid: 103, parent: 102, exe: '/usr/bin/git', argv: ['git', 'status'] },
      { pid: 104, parent: 101, exe: CLAUDE, argv: ['claude', '-p', 'review'] },
    )
    expect(trees.map((tree) => [tree.signature.kind, tree.holdsAgents, tree.members.map((member) => member.stat.pid)])).toEqual([
      ['claude-code', true, [100, 101]],
      ['codex', false, [102, 103]],
      ['claude-code', false, [104]],
    ])
  })

  test('a table torn by a reused pid makes no circle', () => {
    expect(found({ ...claude, parent: 101 }, { pid: 101, parent: 100, exe: '/usr/bin/bash', argv: ['bash'] }).map((tree) => tree.members.length)).toEqual([2])
  })

  test('a child without program and arguments is listed under its name', () => {
    expect(roles(claude, { pid: 101, parent: 100, comm: 'defunct thing', state: 'Z' })).toEqual(['tool: defunct thing'])
  })
})

test('a program changed by exec is seen again, an unchanged one is not read again', () => {
  const cache = createIdentityCache(made.root)
  made.run({ pid: 100, exe: '/usr/bin/bash', argv: ['bash', '-c', 'exec claude'], comm: 'x' })
  const look = (): string[] => discoverAgents(readProcessTable(made.root), cache.of, signatures).map((tree) => tree.signature.kind)
  expect(look()).toEqual([])
  made.put('/proc/100/exe', CLAUDE)
  expect(look()).toEqual([])
  made.run({ pid: 100, exe: CLAUDE, argv: ['claude'], comm: 'x' })
  expect(look()).toEqual(['claude-code'])
  cache.keep(new Map())
})
