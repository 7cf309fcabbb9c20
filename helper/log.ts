import type { RunRecord } from './contract/runs.ts'

/**
 * A line for the system log, which others than the user may read: a cgroup's
 * folder is named by the user's programs, so only that it was one is said.
 */
export const logLine = (text: string): string => text.replaceAll(/\/sys\/fs\/cgroup\/\S*\/(?=memory\.)/gu, '/sys/fs/cgroup/(an agent)/').replaceAll(/[\p{Cc}\u2028\u2029]/gu, '?')

/** What recovery and undoing did, a line each. */
export const recordLines = (record: RunRecord): string[] => [
  `run ${record.id} of user ${record.uid}: ${record.state}`,
  ...record.undo.map((line) => logLine(`  ${line.target}: ${line.outcome}${line.reason === '' ? '' : ` (${line.reason})`}`)),
]

/**
 * Whether something of a run is still in force that only the helper can take
 * back. What somebody else has changed since is theirs: it was reported, and
 * must not keep the helper from being uninstalled.
 */
export const isInForce = (record: RunRecord): boolean =>
  record.state !== 'undone' && record.state !== 'failed' && (record.state !== 'partly-undone' || record.undo.some((line) => line.outcome === 'failed' || line.outcome === 'waiting-for-memory'))
