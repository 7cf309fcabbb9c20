import { readText, under } from '../../observe/files.ts'

const CONNECTED = /^[0-9a-f]+: [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{4} 03 +(\d+) \S/gmu

/** Connected Unix sockets that have a name: those that a server accepted, since they carry the name it listens on. */
export const parseAccepted = (text: string): ReadonlySet<number> => new Set([...text.matchAll(CONNECTED)].map((match) => Number(match[1])))

export const readAccepted = (root: string, pid: number): ReadonlySet<number> =>
  parseAccepted(readText(under(root, `/proc/${pid}/net/unix`), 'vanished').value ?? '')

/** Other end of each Unix connection by inode, from `ss -xnH`; 0 where it was closed. A name may hold spaces. */
export const parsePeers = (text: string): Map<number, number> =>
  new Map([...text.matchAll(/^u_\S+ +ESTAB +\d+ +\d+ +.*? (\d+) +\* +(\d+) *$/gmu)].map((match) => [Number(match[1]), Number(match[2])]))
