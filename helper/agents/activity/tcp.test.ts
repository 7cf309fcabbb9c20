import { createServer, connect } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { parseLocks } from './locks.ts'
import { parseAccepted, parsePeers } from './unix.ts'
import { createSs, isLoopback, parseNet, parseSs, readNetwork } from './tcp.ts'

test('lines of /proc/net/tcp and tcp6', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1FBB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0F02000A:9C40 22D7B8AC:01BB 01 00000F00:00000010 01:00000014 00000003  1000        0 4712 2 0000000000000000 20 4 30 10 -1
`
  expect(parseNet(text)).toEqual([
    { local: '0100007F', localPort: 8123, remote: '00000000', remotePort: 0, state: 10, sendQueueBytes: 0, receiveQueueBytes: 0, retransmits: 0, inode: 4711 },
    { local: '0F02000A', localPort: 40_000, remote: '22D7B8AC', remotePort: 443, state: 1, sendQueueBytes: 3840, receiveQueueBytes: 16, retransmits: 3, inode: 4712 },
  ])
  expect(parseNet('  0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C350 01 00000000:00000000 00:00000000 00000000     0        0 99 1 0 20 4 0 10 -1\n')[0]).toMatchObject({ localPort: 8080, remotePort: 50_000, inode: 99 })
  expect(parseNet('nonsense\n')).toEqual([])
})

test('addresses of this machine', () => {
  expect(['0100007F', '0200107F', '00000000000000000000000001000000', '0000000000000000FFFF00000100007F'].map(isLoopback)).toEqual([true, true, true, true])
  expect(['0F02000A', '7F000001', '00000000000000000000000002000000', '0000000000000000FFFF00000F02000A'].map(isLoopback)).toEqual([false, false, false, false])
})

test('times and amounts of ss; what it leaves out is 0', () => {
  const text = `ESTAB 0      0          127.0.0.1:8123      127.0.0.1:40206 timer:(keepalive,4min,0) uid:1000 ino:34 sk:1 <-> cubic bytes_sent:57069 bytes_acked:57070 bytes_received:468 lastsnd:7224 lastrcv:36 lastack:30 rcv_rtt:1
ESTAB 0      0      [::1]:1 [::1]:2 ino:35 sk:2 <-> cubic lastsnd:12 bytes_acked:9
ESTAB 0 0 1.2.3.4:1 1.2.3.4:2 sk:3`
  expect([...parseSs(text)]).toEqual([
    [34, { lastSentMs: 7224, lastReceivedMs: 36, sentBytes: 57_070, receivedBytes: 468 }],
    [35, { lastSentMs: 12, lastReceivedMs: 0, sentBytes: 9, receivedBytes: 0 }],
  ])
})

test('Unix sockets that a server accepted, and who is at their other end', () => {
  const text = `Num       RefCount Protocol Flags    Type St Inode Path
00000000aeefd952: 00000003 00000000 00000000 0001 03 11
00000000aeefd953: 00000003 00000000 00000000 0001 03 12 /tmp/a b.sock
00000000aeefd954: 00000002 00000000 00010000 0001 01 13 /tmp/a b.sock
00000000aeefd955: 00000003 00000000 00000000 0001 03 14 @hidden
`
  expect([...parseAccepted(text)]).toEqual([12, 14])
  const listed = 'u_str ESTAB 0      0      /tmp/a b.sock 12 * 77\nu_str ESTAB 0      0      * 77 * 12\nu_str ESTAB 0      0      * 11 * 0      \n'
  expect([...parsePeers(listed)]).toEqual([[12, 77], [77, 12], [11, 0]])
})

test('locks: held, shared, and waited for', () => {
  const text = `1: POSIX  ADVISORY  WRITE 2561 fe:00:2237522 0 EOF
1: -> POSIX  ADVISORY  WRITE 2562 fe:00:2237522 0 EOF
2: FLOCK  ADVISORY  READ 77 00:19:12 0 EOF
3: OFDLCK ADVISORY  WRITE -1 00:05:3 0 0
`
  expect(parseLocks(text)).toEqual([
    { pid: 2561, file: 'fe:00:2237522', exclusive: true, waitedFor: true },
    { pid: 77, file: '00:19:12', exclusive: false, waitedFor: false },
  ])
})

test('the real machine: both ends of a connection, and when they spoke', async () => {
  const server = createServer((socket) => { socket.on('data', () => socket.write('answer')) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port')
  const client = connect(address.port, '127.0.0.1')
  try {
    client.write('a question')
    await once(client, 'data')
    const line = [...readNetwork('/', process.pid).tcp.values()].find(({ remotePort, state }) => remotePort === address.port && state === 1)
    if (line === undefined) throw new Error('expected the connection in /proc/net/tcp')
    const listed = await createSs()(process.pid, ['-tinHOe'])
    // Without iproute2 there is none, and that is an answer.
    if (listed !== null) expect(parseSs(listed).get(line.inode)).toMatchObject({ sentBytes: expect.toSatisfy((bytes: number) => bytes >= 10 && bytes <= 11) as number, receivedBytes: 6 })
  } finally {
    client.destroy()
    server.close()
  }
})
