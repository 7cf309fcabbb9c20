import { expect, test, vi } from 'vitest'
import { createRecovery } from './recovery.ts'

test('while it runs nothing may be changed; afterwards it may', async () => {
  let finish: () => void = () => undefined
  const recovery = createRecovery(() => new Promise((resolve) => { finish = resolve }))
  expect(recovery.running()).toBe(true)
  expect(await recovery.ready()).toMatchObject({ ok: false, error: { code: 'busy' } })
  finish()
  await recovery.first
  expect(recovery.running()).toBe(false)
  expect(recovery.problem()).toBeNull()
  expect(await recovery.ready()).toMatchObject({ ok: true })
})

test('one that failed keeps everything refused, is told, and is tried anew with each call', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  let broken = true
  let tries = 0
  const recovery = createRecovery(() => {
    tries += 1
    return broken ? Promise.reject(new Error('EIO: the disk')) : Promise.resolve()
  })
  await recovery.first
  expect(recovery.problem()).toMatchObject({ code: 'journal-unusable', got: 'EIO: the disk' })
  expect(tries).toBe(1)

  const refused = await recovery.ready()
  expect(refused).toMatchObject({ ok: false, error: { code: 'journal-unusable', message: expect.stringMatching(/^[A-Z].*\.$/u), advice: expect.any(String) } })
  expect(tries).toBe(2)
  expect(recovery.problem()).not.toBeNull()

  broken = false
  expect(await recovery.ready()).toMatchObject({ ok: true })
  expect(tries).toBe(3)
  expect(recovery.problem()).toBeNull()
  expect(await recovery.ready()).toMatchObject({ ok: true })
  expect(tries).toBe(3)
})
