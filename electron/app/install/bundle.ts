import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { InstallPlan } from '../../contract/views.ts'
import { messageOf } from '../files.ts'

/** Where install.sh puts the helper; the same in every version. */
export const INSTALLED_DIR = '/usr/lib/agentmem'

export interface Bundle {
  readonly folder: string
  readonly script: string
  readonly scriptSha256: string
  readonly manifestSha256: string
  readonly files: InstallPlan['files']
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex')

const EXECUTABLE = new Set(['node', 'agentmem-guard', 'agentmem-reclaim', 'agentmem-pressure', 'agentmem-backing', 'agentmem-run', 'agentmem-hook', 'agentmem-broker', 'agentmemctl', 'install.sh'])

const WHAT: readonly [RegExp, string][] = [
  [/^node$/u, 'The Node.js that runs the helper, separate from any other on this machine'],
  [/^system\.js$/u, 'The helper: the part that runs as root'],
  [/^session\.js$/u, 'Finds your agents, as you'],
  [/^agentmem-guard$/u, 'Wakes suspended agents and takes back what a dead helper left'],
  [/^agentmem-reclaim$/u, 'Pages out an idle agent'],
  [/^agentmem-pressure$/u, 'Tells the kernel module how short memory is'],
  [/^agentmem-backing$/u, 'Gives the kernel module a file to keep on disk what is long unused'],
  [/^kmod\//u, 'Source of the kernel module, which DKMS builds where it is installed'],
  [/agentmem-(?:module|pressure|backing)[@a-z-]*\.service$/u, 'How the kernel module is loaded, unloaded, told of pressure and given a file'],
  [/^agentmem-run$/u, 'Starts a program with page merging allowed'],
  [/^agentmem-hook$/u, "Run by agents' hooks: tells when a turn begins and ends"],
  [/^agentmem-broker$/u, 'Keeps what your agents share, as you'],
  [/^agentmem-trim\.so$/u, 'Lets a launched program be asked for memory it holds free'],
  [/^agentmem-share\.so$/u, 'Lets a launched program share what it reads from large files'],
  [/^libagentmem\.so\.1$/u, 'The library by which programs share memory'],
  [/^include\/agentmem\.h$/u, 'What the library offers to C programs'],
  [/^agentmem\.(?:js|node)$/u, 'The same for Node programs'],
  [/^agentmemctl$/u, 'The command line: starts what is in app/ with the Node.js beside it, as whoever calls it'],
  [/^app\/node_modules\//u, 'Packages of the command line'],
  [/^app\//u, 'The command line'],
  [/^completions\//u, 'Completes words of agentmemctl in bash, zsh or fish'],
  [/^install\.sh$/u, 'This script, for uninstalling'],
  [/^MANIFEST$/u, 'Digests of these files'],
  [/\.policy$/u, 'Which action needs which password (polkit)'],
  [/\.conf$/u, 'Who may talk to the helper (D-Bus)'],
  [/agentmem-broker\.(?:service|socket)$/u, 'How the broker is started, by who needs it'],
  [/\.service$/u, 'How the helper is started'],
  [/^man\//u, 'Manual page'],
  [/agents\.json$/u, 'How agents are recognised'],
  [/^LICENSE$/u, 'License'],
]
const whatIs = (file: string): string => WHAT.find(([pattern]) => pattern.test(file))?.[1] ?? 'Part of the helper'

/** Where install.sh puts the sources of the module; null where the bundle has none. */
const moduleFolder = (folder: string): string | null => {
  const file = join(folder, 'kmod', 'dkms.conf')
  const version = existsSync(file) ? /^PACKAGE_VERSION="([0-9][0-9.]*)"$/mu.exec(readFileSync(file, 'utf8'))?.[1] : undefined
  return version === undefined ? null : `/usr/src/agentmem-${version}`
}

/** "FILE PLACE" lines of the script's own list, so that what is shown is what the script does. */
export const placesOf = (script: string): { file: string; place: string }[] => {
  const block = /places\(\) \{\s*cat <<'END'\n([\s\S]*?)\nEND/u.exec(script)?.[1] ?? ''
  return block.split('\n').flatMap((line) => {
    const [file, place] = line.trim().split(/\s+/u)
    return file === undefined || place === undefined ? [] : [{ file, place: `/${place}` }]
  })
}

/**
 * Size of the list of folders that install.sh makes: those that are not there
 * yet, one a line, after the list of an earlier installation.
 */
const createdBytes = (places: readonly string[]): number => {
  const missing = new Set<string>()
  for (const place of places) {
    for (let folder = dirname(place); !existsSync(folder); folder = dirname(folder)) missing.add(folder)
  }
  const earlier = statSync(join(INSTALLED_DIR, 'CREATED'), { throwIfNoEntry: false })?.size ?? 0
  return [...missing].reduce((sum, folder) => sum + Buffer.byteLength(folder) + 1, earlier)
}

/** Newest change of any file below; 0 where there is nothing. */
const newestMs = (folder: string): number =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile() && !entry.parentPath.includes('/test') && !entry.name.endsWith('.test.ts'))
        .reduce((newest, entry) => Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0)
    : 0

/** In a checkout the bundle follows the sources; elsewhere it came with the app. */
const isStale = (projectDir: string, manifest: string): boolean => {
  if (!existsSync(manifest)) return true
  const builtMs = statSync(manifest).mtimeMs
  return ['helper', 'native', 'kmod', 'assets', 'electron/app', 'electron/cli', 'electron/contract'].some((folder) => newestMs(join(projectDir, folder)) > builtMs)
}

const build = (projectDir: string): Promise<Result<void>> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [join(projectDir, 'tools', 'helper-bundle.mjs')], { cwd: projectDir, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } })
    let text = ''
    child.stderr.on('data', (chunk: Buffer) => { text = (text + chunk.toString()).slice(-2000) })
    child.on('error', (error) => { resolve(fail('internal', `The helper could not be built: ${messageOf(error)}`)) })
    child.on('close', (code) => {
      resolve(code === 0 ? ok(undefined) : fail('not-supported', 'The helper could not be built.', { got: text.trim(), advice: 'A C compiler is needed: sudo apt install gcc libc6-dev' }))
    })
  })

/** Reads build/helper, building it first where it is missing or older than its sources. */
export const readBundle = async (projectDir: string): Promise<Result<Bundle>> => {
  const folder = join(projectDir, 'build', 'helper')
  const manifestPath = join(folder, 'MANIFEST')
  if (isStale(projectDir, manifestPath) && existsSync(join(projectDir, 'tools', 'helper-bundle.mjs'))) {
    const built = await build(projectDir)
    if (!built.ok) return built
  }
  try {
    const manifest = readFileSync(manifestPath)
    const script = readFileSync(join(folder, 'install.sh'), 'utf8')
    const places = placesOf(script)
    const names = [...manifest.toString('utf8').split('\n').filter((line) => line !== '').map((line) => line.slice(66)), 'MANIFEST']
    const links = [
      { path: '/usr/lib/systemd/system/multi-user.target.wants/agentmem-recover.service', what: 'Link: takes back unfinished changes at boot' },
      { path: '/usr/lib/systemd/user/sockets.target.wants/agentmem-broker.socket', what: 'Link: the broker can be reached from the next login on' },
      { path: '/usr/bin/agentmemctl', what: `Link: the command line for everybody, to ${INSTALLED_DIR}/agentmemctl` },
    ]
    const sources = moduleFolder(folder)
    const created = createdBytes([INSTALLED_DIR, ...places.map(({ place }) => place), ...links.map(({ path }) => path), ...(sources === null ? [] : [sources])])
    const entry = (name: string, path: string): InstallPlan['files'][number] => ({
      path,
      what: whatIs(name),
      sizeBytes: statSync(join(folder, name)).size,
      mode: path.startsWith(`${INSTALLED_DIR}/`) && EXECUTABLE.has(name) ? '0755' : '0644',
    })
    return ok({
      folder,
      script,
      scriptSha256: sha256(script),
      manifestSha256: sha256(manifest),
      files: [
        ...names.map((name) => entry(name, `${INSTALLED_DIR}/${name}`)),
        { path: `${INSTALLED_DIR}/CREATED`, what: 'Folders that installing made, so that uninstalling removes them', sizeBytes: created, mode: '0644' },
        ...places.map(({ file, place }) => entry(file, place)),
        ...names.filter((name) => sources !== null && name.startsWith('kmod/')).map((name) => entry(name, `${sources}/${name.slice('kmod/'.length)}`)),
        ...links.map((link) => ({ ...link, sizeBytes: 0, mode: 'link' as const })),
      ],
    })
  } catch (error) {
    return fail('not-supported', 'The helper is not built.', { got: messageOf(error), advice: 'Run: npm run build' })
  }
}
