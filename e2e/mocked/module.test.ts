import { describe, expect, it } from 'vitest'
import { moduleObstacleIdSchema } from '../../helper/contract/kernel-module.ts'
import { apply, button, openPlan, overflow, press, seen } from './look.ts'
import { obstacleWords } from './module-data.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()
const layers = { hash: '#/layers' }

describe('the kernel module among the layers', () => {
  it.each(moduleObstacleIdSchema.options)('that cannot be loaded (%s) says why, and what to do', async (id) => {
    const { page } = await start({ ...scenarios.full, module: id }, layers)
    const [message, advice] = obstacleWords[id]
    await seen(page, `${message} ${advice}`)
    expect(await button(page, 'Turn on Kernel module (agentmem.ko)').isDisabled()).toBe(true)
  })

  it('is loaded through its plan, with what to know before, and unloaded again', async () => {
    const { page } = await start(scenarios.full, layers)
    await openPlan(page, 'Turn on Kernel module (agentmem.ko)')
    await seen(page, 'loaded, compressing with zstd')
    await seen(page, /a fault in it can stop the machine/u)
    expect(await serious(page)).toEqual([])
    await press(page, 'Apply')
    await press(page, 'Keep')
    await seen(page, 'Kept. Kernel module is loaded')
    await press(page, 'Done')
    await seen(page, 'Loaded; no program keeps units in it now (compressed by zstd-scomp).')
    expect(asked('run.apply')).toMatchObject([{ presetId: 'layer-kernel-module-on' }])
    await apply(page, 'Turn off Kernel module (agentmem.ko)')
    await press(page, 'Keep')
    await press(page, 'Done')
    await seen(page, /not loaded\. Programs keep their units in the broker/u)
  })

  it('can be part of a preset of one\'s own', async () => {
    const { page } = await start(scenarios.full, { hash: '#/settings' })
    await press(page, 'New')
    await page.getByLabel('Name').fill('In the kernel')
    await page.getByLabel('Kernel module (agentmem.ko)').selectOption('load')
    await page.getByLabel('Compressor').selectOption('lz4')
    await page.getByLabel('Backing file', { exact: true }).selectOption('file')
    await page.getByLabel('Size').fill('8')
    await page.getByText('Its ages and limits').click()
    await page.getByLabel('Compress after').selectOption('60000')
    await page.getByLabel('Plain in memory, at most').selectOption(String(4 * 1024 ** 3))
    await page.getByLabel('One agent may hold').selectOption(String(1024 ** 3))
    await page.getByLabel('One agent may hold').selectOption('as-is')
    await press(page, 'Save')
    await seen(page, 'In the kernel')
    expect(asked('presets.save')).toMatchObject([{ preset: { settings: { kernelModule: { mode: 'load', compressor: 'lz4', backingBytes: 8 * 1024 ** 3, warmAfterMs: 60_000, hotMostBytes: 4 * 1024 ** 3 } } } }])
    expect(JSON.stringify(asked('presets.save'))).not.toContain('quotaBytes')
  })

  it('that is in use is not unloaded, and who uses it is told', async () => {
    const { page } = await start(scenarios.moduleLoaded, layers)
    await openPlan(page, 'Turn off Kernel module (agentmem.ko)')
    await seen(page, /in use by planner \(5200\), release-notes \(5201\)/u)
  })
})

describe('units in the kernel module', () => {
  it('are told with what was the same, where they are and who holds them, beside the broker\'s', async () => {
    const { page } = await start(scenarios.moduleLoaded, { hash: '#/units' })
    await seen(page, 'In the kernel module')
    await seen(page, 'In the broker')
    await seen(page, /was held by others already: each content is there once/u)
    await seen(page, /Compressed by zstd-scomp when not read for 5 min/u)
    await seen(page, /less in memory than 8 agents would hold alone/u)
    await seen(page, 'Programs that start now keep their units in the kernel module.')
    await page.getByRole('button', { name: 'planner' }).click()
    await seen(page, 'System prompt')
    expect(asked('units.list')).toEqual([{ agent: '1', backend: 'module' }])
    expect(await serious(page)).toEqual([])
  })

  it('of a module without users, and without a compressor', async () => {
    const idle = await start(scenarios.moduleIdle, { hash: '#/units' })
    await seen(idle.page, 'No program keeps units in it now; those that start from now on do.')
    const none = await start(scenarios.moduleNoCompressor, { hash: '#/units' })
    await seen(none.page, /Nothing is compressed: this kernel lacks the compressor/u)
  })

  it('without the module new programs go to the broker', async () => {
    const { page } = await start(scenarios.full, { hash: '#/units' })
    await seen(page, 'Programs that start now keep their units in your broker.')
    expect(await page.getByText('In the kernel module').count()).toBe(0)
  })

  it.each([900, 1440])('fit a window of %i px', async (width) => {
    const { page } = await start(scenarios.moduleLoaded, { hash: '#/units', width })
    await seen(page, 'In the kernel module')
    expect(await overflow(page)).toBe(0)
    const other = await start({ ...scenarios.full, module: 'no-headers' }, { ...layers, width })
    await seen(other.page, /headers of this kernel/u)
    expect(await overflow(other.page)).toBe(0)
  })
})
