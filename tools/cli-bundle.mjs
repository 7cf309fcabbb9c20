/**
 * `node tools/cli-bundle.mjs` puts agentmemctl into build/cli/ as plain
 * JavaScript in a few files: a short command then starts in a third of the
 * memory and time that reading TypeScript takes. inputs.json names what it was
 * made from, so that agentmemctl.cjs takes the sources where they are newer.
 * `--into FOLDER`: with all packages but the native one, for another machine;
 * `putCliInto` makes the folder that installing copies of it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { leaveOut } from './leave-out.mjs'
import { plainBuiltins } from './plain-builtins.mjs'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(projectDir, 'build', 'cli')

/** Packages stay where they are but for those that every command needs; natives could not be moved. @param {string} id */
const isElsewhere = (id) => !/^(?:\.|\/|\0)/u.test(id) && !isBuiltin(id) && !/^(?:commander|zod)(?:\/|$)/u.test(id)

/**
 * One sign beyond Latin-1 makes V8 keep the whole file with two bytes a sign.
 * Outside of strings, templates and patterns there is none once comments are gone.
 * @param {string} code
 */
const asciiOnly = (code) => code.replaceAll(/[^\0-\x7F]/gu, (sign) => Array.from({ length: sign.length }, (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''))

/** @param {string} folder @param {(id: string) => boolean} external packages that are not put into it */
export const bundleCliInto = async (folder, external) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const bundle = await rolldown({
    input: { agentmemctl: join(projectDir, 'electron', 'cli', 'agentmemctl.ts') },
    platform: 'node',
    external,
    resolve: { mainFields: ['module', 'main'] },
    plugins: [plainBuiltins, leaveOut],
    logLevel: 'warn',
  })
  const { output } = await bundle.write({ dir: folder, format: 'cjs', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js', sourcemap: false, minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } } })
  await bundle.close()
  for (const part of output) if (part.type === 'chunk') writeFileSync(join(folder, part.fileName), asciiOnly(part.code))
  const files = new Set(output.flatMap((part) => ('moduleIds' in part ? part.moduleIds : [])).filter((id) => id.startsWith(`${projectDir}/`) && !id.includes('node_modules')))
  const inputs = [...files].toSorted().map((file) => [relative(projectDir, file), Math.floor(statSync(file).mtimeMs)])
  writeFileSync(join(folder, 'inputs.json'), JSON.stringify({ version: JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')).version, inputs }))
  // The files are scripts, which Node starts with a megabyte less than modules; it looks for this beside them.
  writeFileSync(join(folder, 'package.json'), '{"type":"commonjs"}\n')
}

export const bundleCli = async () => {
  const folder = `${target}.${process.pid}`
  await bundleCliInto(folder, isElsewhere)
  rmSync(target, { recursive: true, force: true })
  renameSync(folder, target)
}

/** Packages that find files of their own at run time stay packages: what of them is used. */
const packageParts = {
  'better-sqlite3': ['package.json', 'LICENSE', 'lib', `prebuilds/linux-${process.arch}.node`],
  pdfmake: ['LICENSE', 'fonts/Roboto'],
}

/** Where a shell looks for its completions is install.sh's to know; this is what they are called there. */
const COMPLETIONS = /** @type {const} */ ({ bash: 'agentmemctl', zsh: '_agentmemctl', fish: 'agentmemctl.fish' })

/**
 * agentmemctl as it is installed: `app/` laid out as a checkout is, with all it
 * reads; its manual page and completions, which it prints itself; and a script
 * that starts it with the Node beside it. None of it is started by root.
 * @param {string} folder of the bundle @param {string} addon agentmem.node
 */
export const putCliInto = async (folder, addon) => {
  const app = join(folder, 'app')
  const cli = join(app, 'build', 'cli')
  await bundleCliInto(cli, (id) => id === 'better-sqlite3')
  // No sources lie beside it that could be newer.
  writeFileSync(join(cli, 'inputs.json'), `${JSON.stringify({ version: JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')).version, inputs: [] })}\n`)
  const put = (/** @type {string} */ from, /** @type {string} */ to) => {
    mkdirSync(dirname(join(app, to)), { recursive: true })
    cpSync(from, join(app, to), { recursive: true, dereference: true })
  }
  for (const file of ['electron/cli/agentmemctl.cjs', 'assets/presets', 'assets/agents.json']) put(join(projectDir, file), file)
  put(addon, 'build/native/agentmem.node')
  for (const [name, parts] of Object.entries(packageParts)) for (const part of parts) put(join(projectDir, 'node_modules', name, part), join('node_modules', name, part))
  copyFileSync(join(projectDir, 'assets', 'agentmemctl.sh'), join(folder, 'agentmemctl'))

  const print = (/** @type {string[]} */ words, /** @type {string} */ to) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(app, 'electron/cli/agentmemctl.cjs'), ...words], { encoding: 'utf8', env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } })
    if (status !== 0 || stdout === '') throw new Error(`agentmemctl ${words.join(' ')}: ${stderr}`)
    mkdirSync(dirname(join(folder, to)), { recursive: true })
    writeFileSync(join(folder, to), stdout)
  }
  print(['man'], 'man/agentmemctl.1')
  for (const [shell, name] of Object.entries(COMPLETIONS)) print(['completion', shell], `completions/${name}`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [option, folder] = process.argv.slice(2)
  if (option === '--into' && folder !== undefined) await bundleCliInto(folder, (id) => id === 'better-sqlite3')
  else await bundleCli()
}
