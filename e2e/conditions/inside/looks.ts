/** Looks at a condition as the rules get them, printed for whoever started the guest; for the captures of electron/app/diagnose/testing/captures. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { run } from '../../guest/inside/harness.ts'
import { PRODUCT } from '../../guest/inside/users.ts'

const CAPTURE = '/mnt/guest/cli/capture.mjs'
const OUT = '/tmp/captured'

/** Only where they were asked for: each takes half a minute. */
export const isKeepingLooks = existsSync(CAPTURE)

export const keepLooks = (name: string): void => {
  rmSync(OUT, { recursive: true, force: true })
  run(`${PRODUCT}/node`, CAPTURE, '--out', OUT, '--only', 'looks', '--looks', '2', '--every', '4')
  const folder = join(OUT, 'looks')
  const looks = readdirSync(folder).toSorted().map((file) => readFileSync(join(folder, file), 'utf8'))
  console.log(`captured ${name.replaceAll(/[^a-z]+/giu, '-').toLowerCase()} ${gzipSync(`[${looks.join(',')}]`).toString('base64')}`)
}
