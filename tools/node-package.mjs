/**
 * The Node bindings as a folder that any Node from 20 on can import: plain
 * JavaScript with its types, and the addon. `node tools/node-package.mjs`
 * puts it into build/node-bindings/.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * @param {string} folder is made anew
 * @param {string} addon agentmem.node
 */
export const packNode = (folder, addon) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const compiler = [join(projectDir, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(projectDir, 'native', 'user', 'node'), '--outDir', folder]
  const asJavaScript = ['--composite', 'false', '--incremental', 'false', '--tsBuildInfoFile', 'null', '--emitDeclarationOnly', 'false', '--allowImportingTsExtensions', 'false', '--rewriteRelativeImportExtensions']
  const { status, stdout } = spawnSync(process.execPath, [...compiler, ...asJavaScript], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the Node bindings do not compile:\n${stdout}`)
  copyFileSync(addon, join(folder, 'agentmem.node'))
  const { version, license } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'))
  const about = { name: 'agentmem', version, license, type: 'module', engines: { node: '>=20' }, os: ['linux'], cpu: [process.arch], exports: { '.': { types: './index.d.ts', default: './index.js' } } }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) packNode(join(projectDir, 'build', 'node-bindings'), join(projectDir, 'build', 'native', 'agentmem.node'))
