import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { processOfSeries } from '../history/types.ts'
import { createProcessSampling, PROCESSES_EVERY_MS } from './process-samples.ts'

const MB = 1024 ** 2
const BOOT = '00000000-0000-4000-8000-000000000001'

test('the largest of the user are looked at, once in a while, with what they hold of their own', async () => {
  const child = spawn(process.execPath, ['-e', `const held = Buffer.alloc(${150 * MB}, 1); console.log('held'); setInterval(() => held.length, 1000)`], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(child.stdout, 'data')
    let nowMs = 0
    const sampling = createProcessSampling('/', process.getuid?.() ?? null, () => nowMs)
    const first = await sampling.take([], BOOT)
    const mine = first.find(({ id }) => processOfSeries(id)?.pid === child.pid)
    expect(mine?.bytes).toBeGreaterThan(150 * MB)
    expect(mine?.bytes).toBeLessThan(400 * MB)
    expect(mine?.label).toContain('node')
    nowMs = PROCESSES_EVERY_MS - 1
    expect(await sampling.take([], BOOT)).toEqual([])
    nowMs = PROCESSES_EVERY_MS
    expect((await sampling.take([], BOOT)).length).toBeGreaterThan(0)
  } finally {
    child.kill()
  }
})

test('nobody else\'s are', async () => {
  expect(await createProcessSampling('/', 61_234, () => 0).take([], BOOT)).toEqual([])
})
