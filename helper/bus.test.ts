import { expect, test } from 'vitest'
import { carried, openBus, plainAddress } from './bus.ts'

test('addresses are given so that no native module is needed', () => {
  expect(plainAddress('unix:path=/run/dbus/system_bus_socket')).toBe('unix:socket=/run/dbus/system_bus_socket')
  expect(plainAddress('unix:path=/run/user/1000/bus,guid=0123')).toBe('unix:socket=/run/user/1000/bus')
  expect(plainAddress('unix:guid=0123,path=/tmp/a%20b')).toBe('unix:socket=/tmp/a b')
  expect(plainAddress('unix:abstract=/tmp/dbus-X')).toBe('unix:socket=\0/tmp/dbus-X')
  expect(plainAddress('unix:path=/a;unix:path=/b')).toBe('unix:socket=/a;unix:socket=/b')
  expect(plainAddress('tcp:host=localhost,port=1')).toBe('tcp:host=localhost,port=1')
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
