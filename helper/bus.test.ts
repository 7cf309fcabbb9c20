import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { carried, openBus } from './bus.ts'
import { plainAddresses } from './contract/bus-address.ts'

test.each([
  ['unix:path=/run/dbus/system_bus_socket', ['unix:socket=/run/dbus/system_bus_socket']],
  ['unix:path=/run/user/1000/bus,guid=0123', ['unix:socket=/run/user/1000/bus']],
  ['unix:guid=0123,path=/tmp/a%20b', ['unix:socket=/tmp/a b']],
  ['unix:abstract=/tmp/dbus-X,guid=0123', ['unix:socket=\0/tmp/dbus-X']],
  ['unix:path=/a;unix:path=/b;', ['unix:socket=/a', 'unix:socket=/b']],
  ['tcp:host=localhost,port=1', ['tcp:host=localhost,port=1']],
  ['/run/user/1000/bus', ['unix:socket=/run/user/1000/bus']],
])('%j is opened without a native module', (address, plain) => {
  expect(plainAddresses(address)).toEqual(plain)
})

test('an abstract address is reached, also behind one that is dead', async () => {
  const name = `/tmp/agentmem-test-${process.pid}`
  const daemon = spawn('dbus-daemon', ['--session', '--nofork', '--nopidfile', '--print-address=1', `--address=unix:abstract=${name}`], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    await once(daemon.stdout, 'data')
    const opened = await openBus(`unix:path=/nonexistent/bus;unix:abstract=${name}`)
    if (!opened.ok) throw new Error(opened.error.message)
    const id = await opened.value.call({ destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus', member: 'GetId' }, '', [])
    expect(id).toMatchObject({ ok: true, value: [expect.stringMatching(/^[0-9a-f]{32}$/u)] })
    opened.value.close()
  } finally {
    daemon.kill()
  }
})

test('a bus that is not there is a failure with its address', async () => {
  const opened = await openBus('unix:path=/nonexistent/bus')
  expect(opened).toMatchObject({ ok: false, error: { code: 'helper-missing', message: expect.stringContaining('/nonexistent/bus') } })
})

test('an answer the bus would not carry becomes a failure that says so', () => {
  expect(carried('Run', '{"ok":true}')).toBe('{"ok":true}')
  // Two bytes a character: length alone would let it pass.
  expect(JSON.parse(carried('Rollback', 'é'.repeat(13 * 1024 * 1024)))).toMatchObject({ ok: false, error: { code: 'internal', about: 'Rollback' } })
})
