/**
 * Every statement that reads for a page or walks a big table, in one place:
 * a test explains each of them and refuses one that has to scan or sort.
 */
export const queries = {
  seriesByIds: 'SELECT key, id, label FROM series WHERE id IN (SELECT value FROM json_each(?))',
  levels: 'SELECT name, rolled_to_s AS rolledToS, kept_from_s AS keptFromS FROM level',
  samples1s: 'SELECT series, at_s, 1, value FROM sample_1s WHERE at_s >= ? AND at_s < ? ORDER BY at_s, series',
  samples10s: 'SELECT series, at_s, n, value FROM sample_10s WHERE series = ? AND at_s >= ? AND at_s < ? ORDER BY at_s',
  samples5min: 'SELECT series, at_s, n, value FROM sample_5min WHERE series = ? AND at_s >= ? AND at_s < ? ORDER BY at_s',
  /** The same for a few series: rows of the others stay inside SQLite. */
  samples1sOf: 'SELECT series, at_s, 1, value FROM sample_1s WHERE at_s >= ? AND at_s < ? AND +series IN (SELECT value FROM json_each(?)) ORDER BY at_s',
  drop1s: 'DELETE FROM sample_1s WHERE at_s < ?',
  drop10s: 'DELETE FROM sample_10s WHERE series = ? AND at_s < ?',
  drop5min: 'DELETE FROM sample_5min WHERE series = ? AND at_s < ?',
  events: 'SELECT id, at_ms AS atMs, kind, text, run_id AS runId, agent_id AS agentId FROM event WHERE at_ms >= ? AND at_ms <= ? ORDER BY at_ms DESC, id DESC LIMIT ?',
  runs: 'SELECT summary, gain_bytes AS gainBytes, noise_bytes AS noiseBytes FROM run ORDER BY started_at_ms DESC, id DESC LIMIT ?',
  run: 'SELECT record FROM run WHERE id = ?',
  runSides: 'SELECT side, body FROM snapshot WHERE run_id = ? AND side IS NOT NULL ORDER BY side',
  snapshots: `SELECT id, taken_at_ms AS takenAtMs, label, origin, run_id AS runId, agents, agents_cost_bytes AS agentsCostBytes, available_bytes AS availableBytes
    FROM snapshot ORDER BY taken_at_ms DESC, id DESC LIMIT ?`,
  snapshotInfo: `SELECT id, taken_at_ms AS takenAtMs, label, origin, run_id AS runId, agents, agents_cost_bytes AS agentsCostBytes, available_bytes AS availableBytes
    FROM snapshot WHERE id = ?`,
  snapshot: 'SELECT body FROM snapshot WHERE id = ?',
  oldRuns: "SELECT id FROM run WHERE started_at_ms < ? AND state IN ('undone', 'partly-undone', 'failed')",
  dropRunSnapshots: 'DELETE FROM snapshot WHERE run_id = ?',
  dropSnapshots: 'DELETE FROM snapshot WHERE taken_at_ms < ? AND run_id IS NULL',
  dropEvents: 'DELETE FROM event WHERE at_ms < ?',
  afterSeq: 'SELECT after_seq AS afterSeq FROM spool WHERE id = ?',
  transitions: 'SELECT at_ms AS atMs, from_state AS "from", to_state AS "to", cause, text FROM transition WHERE agent_id = ? AND at_ms > ? AND at_ms <= ? ORDER BY at_ms, spool, seq LIMIT ?',
  /** The state at the begin of a range is that of the last change before it. */
  transitionBefore: 'SELECT at_ms AS atMs, from_state AS "from", to_state AS "to", cause, text FROM transition WHERE agent_id = ? AND at_ms <= ? ORDER BY at_ms DESC, spool DESC, seq DESC LIMIT 1',
  suspensions: 'SELECT body, resumed FROM suspension WHERE agent_id = ? AND since_ms <= ? AND (resumed_at_ms IS NULL OR resumed_at_ms >= ?) ORDER BY since_ms DESC, id DESC LIMIT ?',
  suspensionsAmong: 'SELECT body, resumed FROM suspension WHERE since_ms <= ? AND (resumed_at_ms IS NULL OR resumed_at_ms >= ?) ORDER BY since_ms DESC, id DESC LIMIT ?',
  openSuspension: 'SELECT id, since_ms AS sinceMs FROM suspension WHERE agent_id = ? AND resumed_at_ms IS NULL ORDER BY since_ms DESC, id DESC LIMIT 1',
  untoldWords: 'SELECT id, body FROM guard_word WHERE told = 0 AND at_ms >= ? ORDER BY at_ms LIMIT ?',
  dropTransitions: 'DELETE FROM transition WHERE at_ms < ?',
  /** The time of the oldest one that stays when only so many may. */
  transitionLimit: 'SELECT at_ms AS atMs FROM transition ORDER BY at_ms DESC LIMIT 1 OFFSET ?',
  dropSuspensions: 'DELETE FROM suspension WHERE since_ms < ?',
  dropWords: 'DELETE FROM guard_word WHERE at_ms < ?',
} as const
