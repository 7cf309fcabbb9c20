/** Programs of native/ for the guest: static, so that it needs nothing beside them. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchPrograms, libLibs, libSources, programs as nativePrograms, testPrograms } from '../native-programs.mjs'
import { keyOf } from './root.mjs'

/** @typedef {{ name: string, sources: string[], libs?: string[] }} Wanted */

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const nativeDir = join(projectDir, 'native')
const includes = ['native/user', 'native/include', 'kmod', 'native/bench'].map((folder) => `-I${join(projectDir, folder)}`)
const flags = ['-static', '-std=gnu17', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror', '-Wno-misleading-indentation', ...includes]

/** @param {readonly Wanted[]} list @param {string} name @returns {Wanted} */
const known = (list, name) => {
  const program = list.find((one) => one.name === name)
  if (program === undefined) throw new Error(`native-programs.mjs has no ${name}`)
  return program
}

/** What tests of the library start. @returns {Wanted[]} */
export const testWanted = () => [known(testPrograms, 'test-lib'), known(nativePrograms, 'agentmem-broker'), { name: 'twenty-lines', sources: ['user/lib/examples/twenty-lines.c', ...libSources], libs: libLibs }]
/** What the module's bench starts. @returns {Wanted[]} */
export const benchWanted = () => [known(benchPrograms, 'bench-kmod')]

/**
 * Builds into build/kmod/programs/, what has changed.
 * @param {readonly Wanted[]} wanted
 * @returns {{ ok: true, files: Record<string, string> } | { ok: false, text: string }} by the name in the guest
 */
export const buildForGuest = (wanted) => {
  const folder = join(projectDir, 'build', 'kmod', 'programs')
  mkdirSync(folder, { recursive: true })
  const headers = [...globSync('**/*.h', { cwd: nativeDir }), ...globSync('../kmod/{core,uapi}/*.{c,h}', { cwd: nativeDir })].toSorted()
  /** @type {Record<string, string>} */
  const files = {}
  for (const { name, sources, libs } of wanted) {
    const target = join(folder, name)
    const key = keyOf([flags, libs, [...sources, ...headers].map((file) => [file, readFileSync(join(nativeDir, file), 'utf8')])])
    files[name] = target
    if (existsSync(target) && existsSync(`${target}.key`) && readFileSync(`${target}.key`, 'utf8') === key) continue
    const fresh = `${target}.${process.pid}`
    const { status, stderr } = spawnSync('gcc', [...flags, '-o', fresh, ...sources.map((file) => join(nativeDir, file)), ...(libs ?? []), '-s'], { encoding: 'utf8' })
    if (status !== 0) return { ok: false, text: `${name}: ${stderr.trim()}` }
    renameSync(fresh, target)
    writeFileSync(`${target}.key`, key)
  }
  return { ok: true, files }
}
