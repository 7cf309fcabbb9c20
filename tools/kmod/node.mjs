/** Node with the bindings and their tests for the guest: a Node of this machine, and the libraries it needs, beside each other. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packNode } from '../node-package.mjs'

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const partsDir = join(projectDir, 'native', 'test', 'node')

/** What the dynamic loader says it loads. @param {string} program */
const librariesOf = (program) => {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' })
  return [...stdout.matchAll(/(\/\S+) \(0x/gu)].map(([, path]) => path ?? '')
}

/**
 * Files by their names in the guest's folder programs.
 * @returns {{ ok: true, files: Record<string, string> } | { ok: false, text: string }}
 */
export const nodeForGuest = () => {
  const built = spawnSync(process.execPath, [join(projectDir, 'tools', 'native.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) return { ok: false, text: built.stderr }
  const folder = join(projectDir, 'build', 'kmod', 'node')
  packNode(folder, join(projectDir, 'build', 'native', 'agentmem.node'))
  const node = realpathSync(process.execPath)
  const libraries = librariesOf(node)
  if (!libraries.some((path) => path.includes('ld-linux')) || !libraries.every((path) => existsSync(path))) return { ok: false, text: `ldd ${node} names no loader: ${libraries.join(' ')}` }
  const files = [...libraries, ...globSync('*.{js,json,node}', { cwd: folder }).map((name) => join(folder, name)), ...globSync('*.mjs', { cwd: partsDir }).map((name) => join(partsDir, name))]
  return { ok: true, files: { node, ...Object.fromEntries(files.map((file) => [basename(file), file])) } }
}
