/**
 * Keeps looks that `npm run e2e:conditions -- --captures FOLDER` wrote as
 * captures of the virtual machine: `node keep.ts FOLDER`. `quiet.json` there is
 * the machine before; of the others what differs from it goes to `guest/`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { evidenceSchema, type Evidence } from '../../../../../helper/contract/evidence.ts'
import { known } from '../../../../../helper/contract/known.ts'
import { patchBetween } from './patch.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('expected the folder that --captures named')
const out = join(import.meta.dirname, 'guest')

/** The largest processes, and of settings and counters those that rules read; no messages. */
const slim = (look: Evidence): Evidence => ({
  ...look,
  bootId: '00000000-1111-4222-8333-555555555555',
  processes: look.processes.toSorted((a, b) => (b.rssBytes.value ?? 0) - (a.rssBytes.value ?? 0)).slice(0, 8),
  mm: Object.fromEntries(Object.entries(look.mm).filter(([path]) => !/\/hugepages-\d+kB\/|\/damon/u.test(path))),
  slab: { value: look.slab.value?.slice(0, 8) ?? null, reason: 'not-measured' },
  memoryFileSystems: look.memoryFileSystems.filter((each) => each.usedBytes.value !== null && each.usedBytes.value >= 1024 ** 2),
  cgroups: look.cgroups.value === null ? look.cgroups : known(look.cgroups.value.map((group) => ({ ...group, stat: {} }))),
  kernelMessages: known([]),
  tookMs: 0,
})
const read = (name: string): Evidence[] => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown[]).map((look) => slim(evidenceSchema.parse(look)))

mkdirSync(out, { recursive: true })
const [quiet] = read('quiet.json')
if (quiet === undefined) throw new Error(`${folder}/quiet.json: expected looks, got none`)
writeFileSync(join(out, 'quiet.json'), `${JSON.stringify(quiet)}\n`)
for (const name of readdirSync(folder).filter((each) => each.endsWith('.json') && each !== 'quiet.json')) {
  writeFileSync(join(out, name), `${JSON.stringify(read(name).map((look) => patchBetween(quiet, look)))}\n`)
  console.log(name)
}
