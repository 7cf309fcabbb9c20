/** The kernels of the matrix: Debian's, the newest point release that the mirror has, unpacked into the build root. */
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, lastLines, rootDir } from './root.mjs'

/**
 * @typedef {{ series: string, flavour: string, compiler: string, flags?: string, sparse?: boolean }} Wanted
 * @typedef {Wanted & { version: string, release: string, vmlinuz: string, modules: string, build: string, inRootBuild: string, debug?: boolean, memoryMiB?: number }} Kernel
 */

/** `series` is how the version begins. @type {readonly Wanted[]} */
export const matrix = [
  { series: '6.1', flavour: 'cloud-amd64', compiler: 'gcc-12', sparse: true },
  { series: '6.12', flavour: 'cloud-amd64', compiler: 'gcc-14', sparse: true },
  // Its own compiler is gcc 16; an older one does not know all attributes of the headers.
  { series: '7.2', flavour: 'cloud-amd64', compiler: 'gcc-14', flags: '-Wno-attributes', sparse: true },
]

/** After this the mirror is asked again; `--fresh` asks at once. */
const STALE_MS = 7 * 24 * 60 * 60 * 1000

const listFile = join(rootDir, 'kernels.json')

/** @typedef {{ package: string, version: string, depends: string[] }} Stanza */
/** @param {string} text @returns {Stanza[]} */
const stanzasOf = (text) =>
  text.split(/\n\n+/u).flatMap((stanza) => {
    const field = (/** @type {string} */ name) => new RegExp(`^${name}: (.*)$`, 'mu').exec(stanza)?.[1] ?? ''
    if (field('Package') === '') return []
    return [{ package: field('Package'), version: field('Version'), depends: field('Depends').split(', ').map((dependency) => dependency.split(/[ |:]/u)[0] ?? '') }]
  })

/** Numbers as numbers: 6.12.9 is older than 6.12.10. @param {string} a @param {string} b */
const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true })

/** What the mirror has of each series, newest. @returns {{ ok: true, found: Record<string, { version: string, release: string, packages: string[] }> } | { ok: false, reason: string }} */
const askMirror = () => {
  const updated = inRoot('apt-get -qq update && apt-cache show "linux-headers-cloud-amd64" "linux-headers-amd64"')
  if (!updated.ok) return { ok: false, reason: `needs a Debian mirror: ${lastLines(updated.text)}` }
  const metas = stanzasOf(updated.text)
  /** @type {Record<string, { version: string, release: string, packages: string[] }>} */
  const found = {}
  for (const { series, flavour } of matrix) {
    const newest = metas.filter((meta) => meta.package === `linux-headers-${flavour}` && meta.version.startsWith(`${series}.`)).toSorted((a, b) => byVersion(b.version, a.version))[0]
    if (newest === undefined) return { ok: false, reason: `the mirror has no ${series} kernel` }
    const headers = newest.depends.find((name) => /^linux-headers-\d/u.test(name))
    if (headers === undefined) return { ok: false, reason: `linux-headers-${flavour} ${newest.version} names no headers` }
    const release = headers.replace('linux-headers-', '')
    const more = stanzasOf(inRoot(`apt-cache show ${headers}=${newest.version}`).text)[0]
    const kbuild = (more?.depends ?? []).filter((name) => /^linux-(headers|kbuild)-/u.test(name))
    const image = inRoot(`apt-cache show linux-binary-${release} linux-modules-${release} 2>/dev/null`).text
    const images = image.includes('Package: linux-binary-') ? [`linux-binary-${release}`, `linux-modules-${release}`] : [`linux-image-${release}`]
    found[series] = { version: newest.version, release, packages: [headers, ...kbuild, ...images] }
  }
  return { ok: true, found }
}

/** @param {string} release @param {string} version @param {string[]} packages @returns {string | null} */
const unpack = (release, version, packages) => {
  if (existsSync(join(rootDir, 'kernels', `${release}-${version}`))) return null
  console.log(`unpacking Linux ${release} (${version}), once ...`)
  const got = inRoot(`set -e; mkdir -p /kernels /kernels/get; cd /kernels/get; apt-get -qq download ${packages.map((name) => `${name}=${version}`).join(' ')}; for deb in *.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C /; done; rm *.deb; touch "/kernels/${release}-${version}"`)
  return got.ok ? null : `Linux ${release} cannot be unpacked: ${lastLines(got.text)}`
}

/**
 * The kernels asked for (all where none is named), unpacked.
 * @param {readonly string[]} series @param {boolean} fresh
 * @returns {{ kernels: Kernel[], problems: { series: string, reason: string }[] }}
 */
export const ensureKernels = (series, fresh) => {
  /** @type {{ series: string, reason: string }[]} */
  const problems = []
  const wanted = matrix.filter((kernel) => series.length === 0 || series.includes(kernel.series))
  if (fresh || !existsSync(listFile) || Date.now() - statSync(listFile).mtimeMs > STALE_MS) {
    const asked = askMirror()
    if (asked.ok) writeFileSync(listFile, JSON.stringify(asked.found, null, 2))
    // What was unpacked once serves as long as it is there.
    else if (!existsSync(listFile)) return { kernels: [], problems: wanted.map((kernel) => ({ series: kernel.series, reason: asked.reason })) }
  }
  /** @type {Record<string, { version: string, release: string, packages: string[] }>} */
  const found = JSON.parse(readFileSync(listFile, 'utf8'))
  mkdirSync(join(rootDir, 'kernels'), { recursive: true })
  const kernels = wanted.flatMap((kernel) => {
    const is = found[kernel.series]
    const problem = is === undefined ? 'the mirror has none' : unpack(is.release, is.version, is.packages)
    if (is === undefined || problem !== null) {
      problems.push({ series: kernel.series, reason: problem ?? '' })
      return []
    }
    const inRootBuild = `/usr/src/linux-headers-${is.release}`
    const one = (/** @type {string} */ pattern) => globSync(pattern, { cwd: rootDir }).map((path) => join(rootDir, path))[0] ?? ''
    const vmlinuz = one(`{boot,usr/lib/modules/${is.release}}/vmlinuz{-${is.release},}`)
    return [{ ...kernel, version: is.version, release: is.release, vmlinuz, modules: one(`{lib,usr/lib}/modules/${is.release}/kernel`), build: join(rootDir, inRootBuild), inRootBuild }]
  })
  return { kernels, problems }
}
