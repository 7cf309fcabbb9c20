import { integer, listNames, readLink, readText, under } from '../../observe/files.ts'

/** What stands at the other end of a process's standard input. */
export type InputEnd =
  /** A pipe or socket whose other end nobody holds any more: whoever spoke to it is gone. */
  | 'gone'
  /** Somebody holds it. */
  | 'held'
  /** /dev/null, a file, or nothing: never meant to be spoken to. */
  | 'none'
  /** The terminal it was started from was closed. */
  | 'closed-terminal'
  | 'terminal'
  /** May not be seen. */
  | 'unknown'

const inputOf = (root: string, pid: number): string | null => readLink(under(root, `/proc/${pid}/fd/0`), 'vanished').value

const inodeOf = (target: string, type: 'pipe' | 'socket'): number | null => integer(new RegExp(`^${type}:\\[(\\d+)\\]$`, 'u').exec(target)?.[1])

const UNIX_LINE = /^[0-9a-f]+: ([0-9A-F]{8}) [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{4} ([0-9A-F]{2}) +(\d+)/gmu
const CONNECTED = '03'

/**
 * Unix sockets that are connected and have lost their other end. A socket is
 * held by its file and by the kernel's table, and while it is connected by its
 * other end too: two holders mean that the other end was closed.
 */
export const parseLonelySockets = (text: string): ReadonlySet<number> =>
  new Set([...text.matchAll(UNIX_LINE)].flatMap((match) => (match[2] === CONNECTED && Number.parseInt(match[1] ?? '', 16) <= 2 ? [Number(match[3])] : [])))

const holdsPipe = (root: string, pid: number, pipe: string): boolean =>
  (listNames(under(root, `/proc/${pid}/fd`), 'vanished').value ?? []).some((name) => readLink(under(root, `/proc/${pid}/fd/${name}`), 'vanished').value === pipe)

/** Other end of the standard input of `pid`; `tree` are the processes that do not count as another end, `others` all the rest. */
export const inputEnd = (root: string, pid: number, tree: ReadonlySet<number>, others: Iterable<number>): InputEnd => {
  const target = inputOf(root, pid)
  if (target === null) return listNames(under(root, `/proc/${pid}/fd`), 'vanished').value === null ? 'unknown' : 'none'
  if (/^\/dev\/(?:pts\/\d+|tty\w*) \(deleted\)$/u.test(target)) return 'closed-terminal'
  if (/^\/dev\/(?:pts\/\d+|tty\w*|console)$/u.test(target)) return 'terminal'
  if (inodeOf(target, 'pipe') !== null) {
    for (const other of others) if (!tree.has(other) && holdsPipe(root, other, target)) return 'held'
    return 'gone'
  }
  const socket = inodeOf(target, 'socket')
  if (socket === null) return 'none'
  const lonely = parseLonelySockets(readText(under(root, `/proc/${pid}/net/unix`), 'vanished').value ?? '')
  return lonely.has(socket) ? 'gone' : 'held'
}
