/**
 * Builds what runs as built code: the C programs, the window and, for Electron
 * and installation, preload and helper bundle. A step is left out when nothing
 * it reads has changed since.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectDir, runTool, say, setUp, SetUpProblem } from './toolchain.mjs'

/** @typedef {{ node: string, env: NodeJS.ProcessEnv }} Context */

/** @type {{ name: string, reads: string[], makes: string, args: string[], needed: boolean }[]} */
const steps = [
  { name: 'native programs', reads: ['native/**/*', 'tools/native.mjs'], makes: 'build/native/agentmem-reclaim', args: ['tools/native.mjs'], needed: false },
  {
    name: 'window',
    reads: ['renderer/**/*', 'helper/contract/*', 'electron/contract/*', 'package-lock.json'],
    makes: 'build/renderer/index.html',
    args: ['node_modules/vite/bin/vite.js', 'build', '--config', 'renderer/vite.config.ts', '--logLevel', 'warn'],
    needed: true,
  },
  {
    name: 'preload',
    reads: ['electron/shell/preload.ts', 'electron/shell/vite.preload.config.ts', 'package-lock.json'],
    makes: 'build/shell/preload.cjs',
    args: ['node_modules/vite/bin/vite.js', 'build', '--config', 'electron/shell/vite.preload.config.ts', '--logLevel', 'warn'],
    needed: false,
  },
  {
    name: 'shell',
    reads: ['electron/**/*.ts', 'helper/{contract,observe,plan}/**/*.ts', 'native/user/node/*.ts', 'package-lock.json'],
    makes: 'build/shell/main.js',
    args: ['node_modules/vite/bin/vite.js', 'build', '--config', 'electron/shell/vite.main.config.ts', '--logLevel', 'warn'],
    needed: false,
  },
  {
    name: 'command line',
    reads: ['electron/**/*.ts', 'helper/{contract,observe,plan}/**/*.ts', 'native/user/node/*.ts', 'tools/cli-bundle.mjs', 'package-lock.json'],
    makes: 'build/cli/agentmemctl.js',
    args: ['tools/cli-bundle.mjs'],
    needed: false,
  },
  {
    name: 'helper bundle',
    reads: ['helper/**/*', 'assets/**/*', 'native/**/*', 'electron/{app,cli,contract}/**/*', 'tools/{helper,cli}-bundle.mjs', 'package-lock.json'],
    makes: 'build/helper/MANIFEST',
    args: ['tools/helper-bundle.mjs'],
    needed: false,
  },
]

/** Files and their contents as one digest: mtimes lie after a checkout. @param {string[]} patterns @param {string} salt */
const digestOf = (patterns, salt) => {
  const hash = createHash('sha256').update(salt)
  for (const file of globSync(patterns, { cwd: projectDir, exclude: (name) => name === 'node_modules' }).toSorted()) {
    const path = join(projectDir, file)
    try {
      hash.update(file).update(readFileSync(path))
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EISDIR') throw error
    }
  }
  return hash.digest('hex')
}

/**
 * @param {Context} context
 * @param {string[]} [names] all steps when left out
 */
export const buildAll = ({ node, env }, names) => {
  const stamps = join(projectDir, 'build', 'stamps')
  mkdirSync(stamps, { recursive: true })
  for (const step of steps.filter((candidate) => names === undefined || names.includes(candidate.name))) {
    const stamp = join(stamps, step.name.replaceAll(' ', '-'))
    const digest = digestOf(step.reads, node)
    if (existsSync(join(projectDir, step.makes)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) continue
    say(`Building the ${step.name} ...`)
    const { status } = spawnSync(node, step.args, { cwd: projectDir, stdio: ['ignore', 'inherit', 'inherit'], env })
    if (status === 0) writeFileSync(stamp, digest)
    else if (step.needed) throw new SetUpProblem(`Building the ${step.name} failed; what it printed stands above.`)
    else say(`The ${step.name} could not be built; what needs them will say so.`)
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await runTool(() => buildAll(setUp()))
