import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemRequests } from '../../helper/contract/requests.ts'
import { processRef } from '../fixtures/fleet/processes.ts'
import { ALLOWED, DENIED, ORDINARY, OTHER, applyRequest, problem, title, useBus } from './bus-place.ts'
import { projectDir, startCaller, startPrivateSystemBus, startProgram, startSystemHelper } from './world.ts'

describe.skipIf(problem !== null)(title('helper on a bus with a real polkitd'), () => {
  const { as, bus, start } = useBus()

  test('answers with what the contract promises', async () => {
    await start()
    const caller = await as(ORDINARY)
    for (const [method, request] of [['Status', {}], ['Probe', {}], ['Snapshot', { commandLines: false }], ['EvidenceLook', {}], ['Plan', { settings: { ksm: { mode: 'merge' } }, agents: [] }], ['Runs', {}]] as const) {
      const answer = await caller.call(method, request)
      expect(answer, method).toMatchObject({ ok: true })
      expect(systemRequests[method].response.safeParse(answer.value).error, method).toBeUndefined()
    }
  })

  describe('requests', () => {
    test('wrong JSON, wrong fields and unknown fields are bad requests that say where', async () => {
      await start()
      const caller = await as(ALLOWED)
      const wrong: [string, string, RegExp][] = [
        ['Status', '', /not JSON/u],
        ['Status', '{', /not JSON/u],
        ['Status', 'null', /Status/u],
        ['Status', '{"more":1}', /more/u],
        ['Snapshot', '{}', /commandLines/u],
        ['Snapshot', '{"commandLines":"yes"}', /commandLines/u],
        ['Reclaim', '{"processes":[],"advice":"cold"}', /processes/u],
        ['Reclaim', '{"processes":[{"pid":0,"startTimeTicks":1}],"advice":"cold"}', /processes\.0\.pid/u],
        ['Reclaim', '{"processes":[{"pid":1,"startTimeTicks":1,"uid":0}],"advice":"cold"}', /uid/u],
        ['DropCaches', '{"level":4}', /level/u],
        ['Undo', '{"runId":"../../etc/passwd","cause":"user-undo"}', /runId/u],
        ['Plan', '{"settings":{"ksm":{"mode":"merge","path":"/etc/passwd"}},"agents":[]}', /path/u],
      ]
      for (const [method, text, message] of wrong) {
        const answer = await caller.call(method, null, { text })
        expect(answer, text).toMatchObject({ ok: false, error: { code: 'bad-request' } })
        expect(answer.error?.message, text).toMatch(message)
      }
      expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    })

    test('a request beyond the size limit is refused, and the helper goes on', async () => {
      await start()
      const caller = await as(ALLOWED)
      const answer = await caller.call('Status', null, { text: `{"x":"${'a'.repeat(4 * 1024 * 1024)}"}` })
      expect(answer).toMatchObject({ ok: false, error: { code: 'bad-request' } })
      expect(answer.error?.message).toContain('too long')
      expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    })

    test('a message of another form than one string is a bad request', async () => {
      await start()
      const caller = await as(ALLOWED)
      for (const [signature, body] of [['', []], ['u', [7]], ['ss', ['{}', '{}']], ['as', [['{}']]]] as const) {
        expect(await caller.call('Status', null, { signature, body: [...body] }), signature).toMatchObject({ ok: false, error: { code: 'bad-request', expected: 's' } })
      }
      expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    })

    test('one caller cannot fill the helper with open requests', async () => {
      await start()
      const caller = await as(ORDINARY)
      await caller.answerDialogs('never')
      // Each waits for a password that never comes.
      for (let open = 0; open < 32; open += 1) void caller.call('Rollback', {}, { mayAsk: true }).catch(() => undefined)
      await caller.waitForSignal((heard) => heard.signal === 'dialog')
      await expect.poll(() => caller.call('Status', {}), { timeout: 30_000 }).toMatchObject({ ok: false, error: { code: 'busy' } })
      const other = await as(ORDINARY)
      expect(await other.call('Status', {})).toMatchObject({ ok: true })
    })

    test('a method that is no request does not exist', async () => {
      await start()
      const caller = await as(ALLOWED)
      expect(await caller.call('toString', {})).toMatchObject({ ok: false, error: { code: 'bus:org.freedesktop.DBus.Error.UnknownMethod' } })
    })

    test('processes of others are refused in every request that names some', async () => {
      await start()
      const caller = await as(ALLOWED)
      const other = await as(OTHER)
      const foreign = processRef(other.pid)
      const own = processRef(caller.pid)
      const agent = { id: `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${own.pid}:${own.startTimeTicks}`, title: 'X', idleMs: null, processes: [own, foreign] }
      const requests: [string, object][] = [
        ['Reclaim', { processes: [own, foreign], advice: 'pageout' }],
        ['Plan', { settings: { reclaim: { minIdleMs: 0 } }, agents: [agent] }],
        ['Apply', { ...applyRequest, agents: [agent] }],
        ['Apply', { ...applyRequest, control: [agent] }],
      ]
      for (const [method, request] of requests) {
        expect(await caller.call(method, request), method).toMatchObject({ ok: false, error: { code: 'not-yours', about: String(other.pid) } })
      }
      // With another start time it is nobody's: reported as gone, nothing is touched.
      const gone = await caller.call('Reclaim', { processes: [{ ...foreign, startTimeTicks: foreign.startTimeTicks + 1 }], advice: 'cold' })
      expect(gone).toMatchObject({ ok: true, value: { processes: [{ pid: other.pid, error: 'process-gone', advisedBytes: 0 }] } })
    })

    test("the caller's own processes are advised, and what was won is told", async () => {
      await start()
      const caller = await as(ALLOWED)
      const answer = await caller.call('Reclaim', { processes: [processRef(caller.pid)], advice: 'cold' })
      expect(systemRequests.Reclaim.response.parse(answer.value).processes).toMatchObject([{ pid: caller.pid, error: null, rssBeforeBytes: { value: expect.any(Number) } }])
    })
  })

  test('it ends when the bus does', async () => {
    const own = await startPrivateSystemBus()
    const running = await startSystemHelper({ bus: own })
    await own.stop()
    expect(await running.ended).toBe(1)
  })

  test('nobody but root may take its name', async () => {
    // A copy of the bundle: this user may not be able to look into the checkout.
    if (!existsSync(join(projectDir, 'build/helper/MANIFEST'))) expect(spawnSync(process.execPath, [join(projectDir, 'tools/helper-bundle.mjs')]).status).toBe(0)
    const place = join(bus().folder, 'nobody')
    cpSync(join(projectDir, 'build/helper'), place, { recursive: true })
    spawnSync('chmod', ['-R', 'a+rX', place])
    const out = await startProgram(join(place, 'node'), [join(place, 'system.js'), '--bus', bus().address, '--state-dir', join(bus().folder, 'state-nobody')], { uid: DENIED })
    expect(await out.ended).toBe(1)
    expect(out.log()).toContain('org.agentmem.Helper1')
  })

  test('without polkit only looking at oneself fails with what to install', async () => {
    const own = await startPrivateSystemBus()
    const running = await startSystemHelper({ bus: own })
    const caller = await startCaller(own, ORDINARY)
    const root = await startCaller(own, 0)
    try {
      const answer = await caller.call('Status', {})
      expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
      expect(answer.error?.advice).toContain('polkitd')
      expect(await root.call('Status', {})).toMatchObject({ ok: true })
    } finally {
      await caller.stop()
      await root.stop()
      await running.stop()
      await own.stop()
    }
  })
})
