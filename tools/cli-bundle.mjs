/**
 * `node tools/cli-bundle.mjs` puts agentmemctl into build/cli/ as plain
 * JavaScript in a few files: a short command then starts in a third of the
 * memory and time that reading TypeScript takes. inputs.json names what it was
 * made from, so that agentmemctl.cjs takes the sources where they are newer.
 * `--into FOLDER`: with all packages but the native one, for another machine.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
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

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [option, folder] = process.argv.slice(2)
  if (option === '--into' && folder !== undefined) await bundleCliInto(folder, (id) => id === 'better-sqlite3')
  else await bundleCli()
}
