import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { UnitsView } from '../../electron/contract/units.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { launchChromium } from '../mocked/browser.ts'
import { valueOf } from './job.ts'
import { whyNot } from './needs.ts'
import { memfdBytes, processesOf, processesOfUser, pssBytes, putFile, startUnitsPlace, type Talker, type UnitsPlace } from './units-place.ts'
import { projectDir, worldProblem } from './world.ts'

const reason = whyNot(['dbus-daemon', 'dbus-send', 'cc', 'chromium', 'python3', 'setpriv', 'unshare', 'useradd']) ?? worldProblem()
const MB = 1_000_000
const PROMPT_BYTES = 50 * MB
const FILE_BYTES = 64 * MB
const SYSTEM_PROMPT = 2
const CONVERSATION = 1
const patience = { timeout: 30_000, interval: 200 }

/** Keeps what it reads, says its number and the digest of what it has, and waits. */
const READER = [
  'import hashlib, os, sys',
  'data = open(sys.argv[1], "rb").read()',
  'print(os.getpid(), hashlib.sha256(data).hexdigest(), flush=True)',
  'sys.stdin.read()',
].join('\n')

/** Connects and says what the broker answers: the error in the head of its message. */
const KNOCK = [
  'import socket, struct, sys',
  's = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)',
  'try:',
  '    s.connect(sys.argv[1])',
  '    head = s.recv(65536)',
  '    print("error", struct.unpack_from("=IHHQi", head)[4] if head else "none", len(s.recv(65536)))',
  'except OSError as e:',
  '    print(type(e).__name__)',
].join('\n')

const agentCgroups = async (): Promise<string[]> => {
  const mount = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified'
  const found = await readdir(mount, { recursive: true, withFileTypes: true }).catch(() => [])
  return found.filter((entry) => entry.isDirectory() && entry.name.includes('agent')).map(({ parentPath, name }) => join(parentPath, name)).toSorted()
}

describe.skipIf(reason !== null)(`memory that agents share, from installing to uninstalling${reason === null ? '' : ` (${reason})`}`, () => {
  let place: UnitsPlace
  let browser: Browser
  let page: Page
  let program: string
  let cgroups: string[]
  const agents: Talker[] = []

  const socket = (): string => join(place.folder, 'run/agentmem/broker.sock')
  const startAgent = async (name: string, backend = 'broker'): Promise<Talker> => {
    const agent = place.talk([program])
    agents.push(agent)
    expect(await agent.ask(`open ${name}`)).toBe(backend)
    return agent
  }
  const endAgent = async (agent: Talker): Promise<void> => {
    agents.splice(agents.indexOf(agent), 1)
    expect(await agent.end()).toBe(0)
  }
  const broker = (): number => {
    const [pid, ...more] = place.brokers()
    if (pid === undefined || more.length > 0) throw new Error(`expected one broker, got ${[pid, ...more].join(' ')}`)
    return pid
  }
  const view = async (): Promise<UnitsView> => valueOf(await place.app.call('units.get', {}))
  /** What each agent that is there holds; the examples of before are known for a moment longer. */
  const held = async (): Promise<Record<string, number>> =>
    Object.fromEntries((await view()).agents.filter(({ state }) => state !== 'gone').map(({ name, bytes }): [string, number] => [name, bytes]).toSorted(([a], [b]) => a.localeCompare(b)))
  const settle = async (change: Partial<UnitsView['settings']>): Promise<void> => {
    valueOf(await place.app.call('units.set', { settings: { ...(await view()).settings, ...change } }))
  }
  const allPss = (): Promise<{ all: number; shmem: number }> => pssBytes([...agents.map(({ pid }) => pid), broker()])
  const switchSharing = async (on: boolean): Promise<void> => {
    const control = page.getByRole('switch', { name: /Share memory between agents/u })
    expect(await control.isChecked()).toBe(!on)
    await control.click()
    await vi.waitFor(async () => expect(await control.isChecked()).toBe(on), patience)
  }
  /** As a user sees it: build/installed/pages/NAME-light-1440.png and NAME-dark-900.png. */
  const shoot = async (name: string): Promise<void> => {
    for (const [theme, width, height] of [['light', 1440, 900], ['dark', 900, 600]] as const) {
      await page.emulateMedia({ colorScheme: theme })
      await page.setViewportSize({ width, height })
      await page.waitForTimeout(400)
      await page.screenshot({ path: join(projectDir, 'build/installed/pages', `${name}-${theme}-${width}.png`) })
    }
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width: 1440, height: 900 })
  }

  beforeAll(async () => {
    await mkdir(join(projectDir, 'build/installed/pages'), { recursive: true })
    cgroups = await agentCgroups()
    place = await startUnitsPlace()
    program = await place.compile('e2e/fixtures/units/agent.c')
    browser = await launchChromium()
    page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage()
    await page.goto(/http:\/\/127\.0\.0\.1:\d+\/\?token=\S+/u.exec(await place.ctl('open'))?.[0] ?? '')
  })
  afterAll(async () => {
    await browser?.close()
    for (const agent of agents) agent.child.kill('SIGKILL')
    await place?.stop()
  })

  test('what programs load is root\'s, and no user can write to it', async () => {
    for (const name of ['agentmem-broker', 'libagentmem.so.1', 'include/agentmem.h', 'agentmem.js', 'agentmem.node', 'agentmem-share.so', 'agentmem-run']) {
      const { uid, gid, mode } = await stat(join(place.lib, name))
      expect([uid, gid, mode & 0o022], name).toEqual([0, 0, 0])
      await expect(place.run(['sh', '-c', `: >>'${join(place.lib, name)}'`]), name).rejects.toThrow(/Permission denied/u)
    }
    await expect(place.run(['touch', join(place.lib, 'new')])).rejects.toThrow(/Permission denied/u)
  })

  test('the examples of the documentation run as an ordinary user, and the first starts the broker from there', async () => {
    expect(place.brokers()).toEqual([])
    const inC = await place.compile('native/user/lib/examples/twenty-lines.c')
    expect(await place.run([inC])).toBe('You are a careful assistant.\n{"role":"user","content":"hello"}\n')
    const pid = broker()
    expect((await stat(`/proc/${pid}`)).uid).toBe(place.user.uid)
    // It has given up what it does not need.
    expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^NoNewPrivs:\s+1$/mu)

    const example = join(place.programs, 'example.mts')
    const text = await readFile(join(projectDir, 'native/user/node/example.ts'), 'utf8')
    await putFile(example, text.replace("'./index.ts'", `'${place.lib}/agentmem.js'`), place.user)
    expect(await place.run([join(place.lib, 'node'), example])).toBe('broker: 290000 bytes of prompt, 111 of the fork, 3 units\n')
    expect(broker()).toBe(pid)
  })

  test('two agents with the same 50 MB have it in memory once', async () => {
    const [one, two] = [await startAgent('reviewer'), await startAgent('test-writer')]
    const before = { pss: await allPss(), files: memfdBytes([broker()]) }
    for (const agent of [one, two]) {
      expect(await agent.ask(`alloc ${SYSTEM_PROMPT} 7 ${PROMPT_BYTES}`)).toBe('0')
      expect(await agent.ask('map 0')).toBe('same')
    }
    for (const [at, agent] of [one, two].entries()) expect(await agent.ask(`alloc ${CONVERSATION} ${20 + at} ${3 * MB}`)).toBe('1')
    const after = { pss: await allPss(), files: memfdBytes([one.pid, two.pid, broker()]) }
    process.stdout.write(`\n2 x 50 MB: memory files ${Math.round((after.files - before.files) / MB)} MB, PSS of all three ${Math.round((after.pss.all - before.pss.all) / MB)} MB, of it shared files ${Math.round((after.pss.shmem - before.pss.shmem) / MB)} MB\n`)
    expect(after.pss.shmem - before.pss.shmem).toBeGreaterThan(0.98 * PROMPT_BYTES)
    // Two conversations of 3 MB beside the prompt.
    expect(after.files - before.files).toBeLessThan(PROMPT_BYTES + 7 * MB)
    expect(after.pss.all - before.pss.all).toBeLessThan(PROMPT_BYTES + 15 * MB)
    expect(await held()).toEqual({ reviewer: PROMPT_BYTES + 3 * MB, 'test-writer': PROMPT_BYTES + 3 * MB })
  })

  test('another user of the machine is let in nowhere, and sees nothing', async () => {
    const outsider = place.talk([program], place.other)
    expect(await outsider.ask('open spy')).toBe('private')
    expect(await outsider.ask('open spy forced')).toMatch(/no such device|not there|no broker/iu)
    await outsider.end()
    expect(await place.run(['python3', '-c', KNOCK, socket()], place.other)).toBe('PermissionError\n')
    for (const secret of [`/proc/${broker()}/fd`, `/proc/${broker()}/maps`, join(place.folder, 'state/agentmem/store')]) {
      await expect(place.run(['sh', '-c', `ls '${secret}' && cat '${secret}'`], place.other), secret).rejects.toThrow(/Permission denied/u)
    }
    // Where somebody opened the way to the socket, the broker itself refuses.
    const opened = [place.folder, join(place.folder, 'run'), join(place.folder, 'run/agentmem')]
    for (const path of opened) await chmod(path, 0o755)
    await chmod(socket(), 0o666)
    try {
      expect(await place.run(['python3', '-c', KNOCK, socket()], place.other)).toBe('error -1 0\n')
    } finally {
      for (const path of opened) await chmod(path, 0o700)
      await chmod(socket(), 0o600)
    }
    expect(Object.keys(await held())).toEqual(['reviewer', 'test-writer'])
  })

  test('window and command line show who holds what, with the same figures', async () => {
    const text = await place.ctl('units')
    expect(text).toMatch(/^101 MB held in \d units: 5[34] MB in memory, 0 MB compressed/u)
    expect(text).toMatch(/^reviewer +\d+ +broker +active +2 +51 MB +48 MB +51 MB/mu)
    const told = JSON.parse(await place.ctl('units', '--json')) as UnitsView
    expect(told).toMatchObject({ broker: 'running', problem: null, totals: { bytes: (await view()).totals?.bytes } })
    expect(told.agents.filter(({ state }) => state === 'active').map(({ sharedBytes }) => sharedBytes)).toEqual([PROMPT_BYTES, PROMPT_BYTES])
    const { units } = JSON.parse(await place.ctl('units', 'reviewer', '--json')) as { units: { kind: string; sharers: number; bytes: number }[] }
    expect(units.map(({ kind, sharers, bytes }) => `${kind} ${sharers} ${bytes}`).toSorted()).toEqual([`conversation 1 ${3 * MB}`, `system-prompt 2 ${PROMPT_BYTES}`])

    await page.evaluate(() => { location.hash = '#/units' })
    await page.getByText(/less in memory than \d\sagents would hold alone: 101\sMB in \d\sunits/u).waitFor()
    await shoot('units')
    await page.getByRole('button', { name: 'reviewer' }).click()
    await page.getByRole('rowheader', { name: /System prompt/u }).waitFor()
    await shoot('units-of-one')
    await page.keyboard.press('Escape')
    await page.evaluate(() => { location.hash = '#/layers' })
    await page.getByText(/\d agents with \d units: 101 MB held, 5[34] MB resident/u).waitFor()
    await shoot('layers')
  })

  test('unmodified programs started with --share have what they read once', async () => {
    const file = join(place.folder, 'home/index.bin')
    const content = Buffer.alloc(FILE_BYTES)
    for (let at = 0, state = 1; at < FILE_BYTES; at += 4) content.writeUInt32LE((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0), at)
    await putFile(file, content, place.user)
    await utimes(file, 1.6e9, 1.6e9)
    const digest = createHash('sha256').update(content).digest('hex')
    /** PSS of two programs that hold the file, and what their memory files take. */
    const measure = async (options: readonly string[]): Promise<{ pss: number; files: number }> => {
      const before = memfdBytes([broker()])
      const readers = [1, 2].map(() => place.talkCtl('run', ...options, '--', 'python3', '-c', READER, file))
      try {
        const pids: number[] = []
        for (const reader of readers) {
          const [pid, got] = (await reader.next()).split(' ')
          expect(got).toBe(digest)
          pids.push(Number(pid))
        }
        return { pss: (await pssBytes(pids)).all, files: memfdBytes([broker()]) - before }
      } finally {
        for (const reader of readers) expect(await reader.end()).toBe(0)
      }
    }
    const alone = await measure([])
    let shared = await measure(['--share'])
    // Who gets no answer in time, on a busy machine, keeps what it read to itself.
    for (let again = 0; again < 2 && shared.files < 0.9 * FILE_BYTES; again += 1) shared = await measure(['--share'])
    process.stdout.write(`\n2 x python3 with a file of 64 MB: PSS ${Math.round(alone.pss / MB)} MB alone, ${Math.round(shared.pss / MB)} MB with --share, its memory files ${Math.round(shared.files / MB)} MB\n`)
    expect(alone.files).toBeLessThan(MB)
    expect(alone.pss).toBeGreaterThan(2 * FILE_BYTES)
    expect(shared.files).toBeLessThan(1.05 * FILE_BYTES)
    expect(shared.files).toBeGreaterThan(0.9 * FILE_BYTES)
    expect(alone.pss - shared.pss).toBeGreaterThan(0.9 * FILE_BYTES)
  })

  test('switched off in the window: new programs keep their memory to themselves, others keep what they have; and on again', async () => {
    await page.evaluate(() => { location.hash = '#/units' })
    await switchSharing(false)
    expect(await readFile(join(place.folder, 'config/agentmem/broker.conf'), 'utf8')).toContain('enabled=no')
    await vi.waitFor(async () => {
      const late = place.talk([program])
      const backend = await late.ask('open latecomer')
      await late.end()
      expect(backend).toBe('private')
    }, patience)
    const late = await startAgent('latecomer', 'private')
    expect(await late.ask(`alloc ${CONVERSATION} 5 ${MB}`)).toBe('0')
    expect(await late.ask('read 0')).toBe('same')
    await endAgent(late)
    for (const agent of agents) {
      expect(await agent.ask('look')).toBe('same')
      expect(await agent.ask('append 1 9 70000')).toBe('done')
      expect(await agent.ask('read 1')).toBe('same')
    }
    expect(await place.ctl('units')).toMatch(/^101 MB held in/u)
    await page.evaluate(() => { location.hash = '#/layers' })
    await page.getByText(/Switched off; \d agents that began before still use it/u).waitFor()
    await page.evaluate(() => { location.hash = '#/units' })
    await switchSharing(true)
    await vi.waitFor(async () => {
      const again = place.talk([program])
      const backend = await again.ask('open again')
      await again.end()
      expect(backend).toBe('broker')
    }, patience)
  })

  test('what lies on disk survives kill -9 of the broker, and what was mapped too', async () => {
    const [one] = agents
    if (one === undefined) throw new Error('no agent')
    await settle({ cold: false, warmAfterMs: 1000, coldAfterMs: 1500 })
    await vi.waitFor(async () => expect(await one.ask('tier 1')).toBe('warm'), patience)
    await sleep(2500)
    expect(await one.ask('tier 1')).toBe('warm')
    expect((await view()).totals?.coldBytes).toBe(0)
    await settle({ cold: true })
    await vi.waitFor(async () => expect(await one.ask('tier 1')).toBe('cold'), patience)
    await vi.waitFor(async () => {
      for (const { state, coldBytes } of (await view()).agents) if (state !== 'gone') expect(coldBytes).toBe(3 * MB + 70_000)
    }, patience)
    await page.getByRole('img', { name: /compressed 0\sMB, on disk 3\sMB/u }).waitFor()
    await shoot('units-cold')
    await settle({ warmAfterMs: 3_600_000, coldAfterMs: 7_200_000 })
    expect(await one.ask(`alloc ${CONVERSATION} 31 ${2 * MB}`)).toBe('2')

    const killed = broker()
    process.kill(killed, 'SIGKILL')
    await vi.waitFor(() => expect(place.brokers()).toEqual([]), patience)
    for (const agent of agents) {
      expect(await agent.ask('look')).toBe('same')
      expect(await agent.ask('read 1')).toBe('same')
      expect(await agent.ask('read 0')).toBe('same')
    }
    expect(broker()).not.toBe(killed)
    // In memory of the dead one, and mapped by nobody: lost, and told.
    expect(await one.ask('read 2')).toMatch(/^error .*(?:broker|lost|stale)/iu)
    expect(await one.ask('append 1 40 5000')).toBe('done')
    expect(await one.ask('read 1')).toBe('same')
  })

  test('uninstalling removes the programs, harms no agent that runs, and leaves what is the user\'s', async () => {
    const said = await place.helper.uninstall()
    expect(existsSync(place.lib)).toBe(false)
    expect(said).toContain(`The broker of ${place.user.name} (process ${broker()}) stays until the programs that have memory in it have ended.`)
    expect(said).toContain('What users have stays theirs: settings in ~/.config/agentmem, units on disk and history in ~/.local/state/agentmem.')
    for (const agent of agents) {
      expect(await agent.ask('look')).toBe('same')
      expect(await agent.ask('append 1 50 5000')).toBe('done')
      expect(await agent.ask('read 1')).toBe('same')
    }
    for (let agent = agents[0]; agent !== undefined; [agent] = agents) await endAgent(agent)
    await place.app.stop()
    await vi.waitFor(() => expect(processesOf(join(place.lib, 'agentmem-broker'))).toEqual([]), { timeout: 90_000, interval: 200 })
    expect(existsSync(socket())).toBe(false)
    expect(await readFile(join(place.folder, 'config/agentmem/broker.conf'), 'utf8')).toContain('cold_after_ms=7200000')
    expect((await readdir(join(place.folder, 'state/agentmem/store'))).toSorted()).toEqual(['store.data', 'store.index'])
    expect(await agentCgroups()).toEqual(cgroups)
  })

  test('nothing of it is left: no process, socket, file or user', async () => {
    const { user, folder, helper, programs } = place
    await browser.close()
    await place.stop()
    expect(processesOfUser(user.uid)).toEqual([])
    for (const path of [folder, helper.place, programs]) expect(existsSync(path), path).toBe(false)
    await expect(runCommand('id', [user.name])).rejects.toThrow(/no such user/u)
  })
})
