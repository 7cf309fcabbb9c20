import { isBuiltin } from 'node:module'

const PREFIX = '\0plain/'
// Read as a script by its ending.
const SUFFIX = '.cjs'

/**
 * Node's own modules, taken as a script takes them: an `import` of one lists
 * all it has for named imports, and thereby loads what is behind the rarer
 * names (of node:fs its promises and watchers, of node:process half of Node).
 * For a command that lives for a moment that is a tenth of its memory. What
 * commander wants for commands that are files of their own waits until one is run.
 * @type {import('rolldown').Plugin}
 */
export const plainBuiltins = {
  name: 'plain-builtins',
  resolveId: (id, importer) => (isBuiltin(id) && importer?.startsWith('\0') !== true ? `${PREFIX}${id}${SUFFIX}` : null),
  load: (id) => {
    if (!id.startsWith(PREFIX)) return null
    const name = id.slice(PREFIX.length, -SUFFIX.length)
    if (name === 'node:process') return 'module.exports = process'
    if (name === 'node:child_process') return "for (const name of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync']) Object.defineProperty(exports, name, { enumerable: true, get: () => process.getBuiltinModule('node:child_process')[name] })"
    return `module.exports = process.getBuiltinModule('${name}')`
  },
}
