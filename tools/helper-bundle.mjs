/**
 * `node tools/helper-bundle.mjs` puts everything that installing the helper
 * copies into build/helper/: both roles as single files, the Node that runs
 * this, the C programs, data, policy and unit files, the command line for
 * everybody, and MANIFEST with the sha256 of each (as sha256sum writes it).
 * Nothing else runs as root.
 */
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { putCliInto } from './cli-bundle.mjs'
import { leaveOut } from './leave-out.mjs'
import { buildNative } from './native.mjs'
import { ensureToolchain } from './toolchain.mjs'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(projectDir, 'build', 'helper')

/**
 * V8 keeps a program's text, with two bytes a character as soon as one of them
 * is no Latin-1: 0.7 MB of the session role, for a few dashes and arrows. All
 * stand in strings, expressions and comments, where an escape means the same.
 * @param {string} file
 */
const asOneByteText = (file) =>
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/[^\0-\u007f]/gu, (character) => Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')))

/** @param {string} folder */
const bundleRoles = async (folder) => {
  // ES modules first: a package's UMD file asks for its parts in a way that no bundler can follow.
  for (const role of ['system', 'session']) {
    const bundle = await rolldown({ input: join(projectDir, 'helper', `${role}.ts`), platform: 'node', resolve: { mainFields: ['module', 'main'] }, plugins: [leaveOut], logLevel: 'warn' })
    await bundle.write({ file: join(folder, `${role}.js`), format: 'esm', codeSplitting: false, sourcemap: false })
    await bundle.close()
    asOneByteText(join(folder, `${role}.js`))
  }
}

/** The Node bindings as one file beside their addon and the broker. @param {string} folder */
const bundleBindings = async (folder) => {
  const bundle = await rolldown({ input: join(projectDir, 'native', 'user', 'node', 'index.ts'), platform: 'node', logLevel: 'warn' })
  await bundle.write({ file: join(folder, 'agentmem.js'), format: 'esm', codeSplitting: false, sourcemap: false })
  await bundle.close()
}

/** @param {string} folder @returns {string[]} */
const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()

/** @param {string} folder */
const writeManifest = (folder) => {
  const lines = filesBelow(folder).map((file) => `${createHash('sha256').update(readFileSync(join(folder, file))).digest('hex')}  ${file}\n`)
  writeFileSync(join(folder, 'MANIFEST'), lines.join(''))
}

/** @param {string} from @param {string} to @param {number} [mode] */
const put = (from, to, mode = 0o644) => {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  chmodSync(to, mode)
}

/** What DKMS builds agentmem.ko from, on the machine it is for; tests and the way upstream stay here. */
const moduleSources = () => filesBelow(join(projectDir, 'kmod')).filter((file) => /^(?:(?:core|uapi)\/)?(?:[a-z0-9-]+\.[ch]|Kbuild|Makefile|dkms\.conf|flame\.sh)$/u.test(file))

export const buildHelperBundle = async () => {
  const folder = `${target}.${process.pid}`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  try {
    const native = buildNative('hardened', false)
    for (const name of ['agentmem-guard', 'agentmem-reclaim', 'agentmem-pressure', 'agentmem-backing', 'agentmem-run', 'agentmem-hook', 'agentmem-broker', 'agentmem-trim.so', 'agentmem-share.so', 'agentmem.node']) put(join(native, name), join(folder, name), 0o755)
    // Under the name that programs ask for: a bundle holds no links.
    put(join(native, 'libagentmem.so'), join(folder, 'libagentmem.so.1'), 0o755)
    put(join(projectDir, 'native', 'include', 'agentmem.h'), join(folder, 'include', 'agentmem.h'))
    // Under Electron the program that runs this is not a Node that could run alone.
    put(process.versions['electron'] === undefined ? process.execPath : ensureToolchain().node, join(folder, 'node'), 0o755)
    await bundleRoles(folder)
    await bundleBindings(folder)
    // The files are ES modules; Node looks for this beside them.
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ type: 'module', version: JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')).version })}\n`)
    const assets = join(projectDir, 'assets')
    put(join(assets, 'agents.json'), join(folder, 'assets', 'agents.json'))
    for (const file of filesBelow(join(assets, 'system'))) {
      if (file === 'install.sh') put(join(assets, 'system', file), join(folder, file), 0o755)
      else put(join(assets, 'system', file), join(folder, 'system', file))
    }
    for (const file of filesBelow(join(projectDir, 'native', 'man'))) put(join(projectDir, 'native', 'man', file), join(folder, 'man', file))
    await putCliInto(folder, join(native, 'agentmem.node'))
    for (const file of moduleSources()) put(join(projectDir, 'kmod', file), join(folder, 'kmod', file))
    put(join(projectDir, 'LICENSE'), join(folder, 'LICENSE'))
    writeManifest(folder)
    rmSync(`${target}.old`, { recursive: true, force: true })
    if (existsSync(target)) renameSync(target, `${target}.old`)
    renameSync(folder, target)
    rmSync(`${target}.old`, { recursive: true, force: true })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return target
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await buildHelperBundle()
