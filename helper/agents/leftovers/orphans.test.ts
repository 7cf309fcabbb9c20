import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeRoot, type MadeProcess, type MadeRoot } from '../../test/proc-tree.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from '../signatures.ts'
import { parseLonelySockets } from './ends.ts'
import { normalised } from './duplicates.ts'
import { createLeftovers } from './leftovers.ts'

const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH)
if (!loaded.ok) throw new Error(loaded.error.message)
const signatures = loaded.value

let made: MadeRoot
beforeEach(() => {
  made = makeRoot()
  made.run({ pid: 1, parent: 0, exe: '/usr/lib/systemd/systemd', argv: ['/sbin/init'] })
})
afterEach(() => made.remove())

const LONELY = 'Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000000: 00000002 00000000 00000000 0001 03 77\n0000000000000000: 00000003 00000000 00000000 0001 03 78\n'
const server: MadeProcess = { pid: 100, exe: '/usr/bin/node', argv: ['node', '/opt/mcp-server-notes.mjs'], pssKib: 900 }
/** A process whose input is a socket with nobody at the other end, in a unit of the service manager. */
const left = (process: MadeProcess, more: { input?: string; cgroup?: string; status?: string } = {}): void => {
  made.run(process)
  made.put(`/proc/${process.pid}/fd/0`, more.input ?? 'socket:[77]')
  made.put(`/proc/${process.pid}/net/unix`, LONELY)
  if (more.cgroup !== undefined) made.put(`/proc/${process.pid}/cgroup`, `0::${more.cgroup}\n`)
  if (more.status !== undefined) made.put(`/proc/${process.pid}/status`, `Uid:\t1000\t1000\t1000\t1000\n${more.status}\n`)
}
const orphans = async (uid = 1000) => (await createLeftovers({ root: made.root, signatures, uid }).look()).orphans

describe('an orphan', () => {
  test.each<[string, () => void]>([
    ['a server', () => left(server)],
    ['taken in by the user\'s own manager', () => {
      made.run({ pid: 50, exe: '/usr/lib/systemd/systemd', argv: ['/usr/lib/systemd/systemd', '--user'] })
      left({ ...server, parent: 50 })
    }],
    ['on a pipe that nobody else holds', () => left(server, { input: 'pipe:[5]' })],
    ['in the unit of a desktop\'s terminal', () => left(server, { cgroup: '/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.kde.konsole@9f.service' })],
    ['a language server', () => left({ ...server, exe: '/usr/bin/gopls', argv: ['gopls'] })],
    ['the service of an agent', () => left({ ...server, exe: '/home/dev/.local/bin/codex', argv: ['codex', 'app-server'] })],
    ['an agent whose terminal was closed', () => left({ ...server, exe: '/home/dev/.local/bin/codex', argv: ['codex'] }, { input: '/dev/pts/4 (deleted)' })],
  ])('%s', async (_, make) => {
    make()
    expect(await orphans()).toMatchObject([{ pid: 100, startTimeTicks: 500_000, ageMs: 5_000_000, costBytes: { value: 900 * 1024 }, children: [] }])
    expect(await orphans(1001)).toEqual([])
  })
})

test('a server that nobody is connected to any more is one, though it still listens', async () => {
  left(server)
  made.put('/proc/100/fd/5', 'socket:[31]')
  made.put('/proc/100/net/unix', `${LONELY}0000000000000000: 00000002 00000000 00000000 0001 03 31 /run/user/1000/x.sock\n0000000000000000: 00000002 00000000 00010000 0001 01 32 /run/user/1000/x.sock\n`)
  expect(await orphans()).toHaveLength(1)
})

describe('is none', () => {
  test.each<[string, () => void]>([
    ['with an editor above it', () => {
      made.run({ pid: 60, exe: '/usr/bin/nvim', argv: ['nvim'] })
      left({ ...server, parent: 60 })
    }],
    ['with somebody at its input', () => left(server, { input: 'socket:[78]' })],
    ['on a pipe that somebody else holds', () => {
      made.run({ pid: 61, exe: '/usr/bin/cat', argv: ['cat'] })
      made.put('/proc/61/fd/1', 'pipe:[5]')
      left(server, { input: 'pipe:[5]' })
    }],
    ['never meant to be spoken to', () => left(server, { input: '/dev/null' })],
    ['at a terminal', () => left(server, { input: '/dev/pts/4' })],
    ['started with nohup', () => left(server, { status: 'SigIgn:\t0000000000000001' })],
    ['a service', () => left(server, { cgroup: '/user.slice/user-1000.slice/user@1000.service/app.slice/notes.service' })],
    ['no server', () => left({ ...server, argv: ['node', '/opt/site/build.mjs'] })],
    ['just started', () => left({ ...server, startTicks: 999_900 })],
    ['ended', () => left({ ...server, state: 'Z' })],
    ['serving somebody over TCP', () => {
      left(server)
      made.put('/proc/100/fd/5', 'socket:[21]')
      made.put('/proc/100/fd/6', 'socket:[22]')
      const line = (at: number, remote: string, state: string, inode: number): string => `   ${at}: 0100007F:1F90 ${remote} ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 20 4 0 10 -1\n`
      made.put('/proc/100/net/tcp', line(0, '00000000:0000', '0A', 21) + line(1, '0100007F:C001', '01', 22))
    }],
    ['serving somebody over a Unix socket', () => {
      left(server)
      made.put('/proc/100/fd/5', 'socket:[31]')
      made.put('/proc/100/net/unix', `${LONELY}0000000000000000: 00000003 00000000 00000000 0001 03 31 /run/user/1000/x.sock\n`)
    }],
    ['an agent that works without a terminal', () => left({ ...server, exe: '/home/dev/.local/bin/codex', argv: ['codex'] })],
  ])('%s', async (_, make) => {
    make()
    expect(await orphans()).toEqual([])
  })
})

test('sockets that lost their other end', () => {
  expect([...parseLonelySockets(LONELY)]).toEqual([77])
  // A server that listens has nobody at its other end and is not lonely.
  expect([...parseLonelySockets('0000000000000000: 00000002 00000000 00010000 0001 01 9 /run/x.sock\n')]).toEqual([])
})

test('arguments without what belongs to one session or project', () => {
  const words = (...argv: string[]): string[] => normalised({ argv: ['node', ...argv], executable: '/usr/bin/node' }, ['/home/dev/shop'])
  expect(words('/opt/mcp.mjs', '/home/dev/shop', '/home/dev/shop/docs', '/home/dev/shopping')).toEqual(['/usr/bin/node', '/opt/mcp.mjs', '<project>', '<project>/docs', '/home/dev/shopping'])
  expect(words('--clientProcessId=12', '--port', '8123', '--log-file=/x')).toEqual(['/usr/bin/node', '--clientProcessId=<varies>', '--port', '<varies>', '--log-file=<varies>'])
  expect(words('/tmp/run-7/a.sock', 'id-0a1b2c3d-0000-4000-8000-000000000000')).toEqual(['/usr/bin/node', '/tmp/<any>/a.sock', 'id-<id>'])
})
