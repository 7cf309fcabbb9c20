const JOURNAL = 'j.id, j.at_ms AS atMs, j.kind, j.rule, j.solution, j.run_id AS runId, j.title, j.text, j.note, j.outcome, j.gain_bytes AS gainBytes, j.kernel_release AS kernelRelease'
const RANK = 'bm25(journal_words, 4.0, 1.0, 4.0, 2.0, 2.0)'

/**
 * Every statement that reads for a page or walks a big table, in one place:
 * a test explains each of them and refuses one that has to scan or sort.
 */
export const queries = {
  seriesByIds: 'SELECT key, id, label FROM series WHERE id IN (SELECT value FROM json_each(?))',
  /** Both kinds of ids are a range of the index over ids: ";" follows ":". */
  growing: `SELECT id, label FROM series WHERE (id >= 'agent:' AND id < 'agent;' OR id >= 'process:' AND id < 'process;')
    AND (EXISTS (SELECT 1 FROM sample_5min m WHERE m.series = series.key AND m.at_s >= ?) OR EXISTS (SELECT 1 FROM sample_10s t WHERE t.series = series.key AND t.at_s >= ?))`,
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
  journal: `SELECT ${JOURNAL} FROM journal j ORDER BY j.at_ms DESC, j.id DESC LIMIT ?`,
  journalBefore: `SELECT ${JOURNAL} FROM journal j WHERE (j.at_ms, j.id) < (?, ?) ORDER BY j.at_ms DESC, j.id DESC LIMIT ?`,
  journalEntry: `SELECT ${JOURNAL} FROM journal j WHERE j.id = ?`,
  /** Newest first: of a search the index gives all that match, so they are sorted here. */
  journalMatching: `SELECT ${JOURNAL} FROM journal_words JOIN journal j ON j.id = journal_words.rowid WHERE journal_words MATCH ? AND (j.at_ms, j.id) < (?, ?) ORDER BY j.at_ms DESC, j.id DESC LIMIT ?`,
  /** Best first: a word in the title or in the user's note counts more than one in the text. */
  journalBest: `SELECT rowid AS id FROM journal_words WHERE journal_words MATCH ? ORDER BY ${RANK}, rowid DESC`,
  journalAll: `SELECT j.uuid, ${JOURNAL}, j.subject, j.preset_id AS presetId FROM journal j ORDER BY j.at_ms, j.id`,
  journalOutcomes: `SELECT ${JOURNAL} FROM journal j WHERE j.rule = ? AND j.solution = ? AND j.outcome IS NOT NULL ORDER BY j.at_ms DESC LIMIT ?`,
  journalOutcomesOfPreset: `SELECT ${JOURNAL} FROM journal j WHERE j.preset_id = ? AND j.outcome IS NOT NULL ORDER BY j.at_ms DESC LIMIT ?`,
  /** What came of each run in the end. SQLite takes the outcome from the row that has the maximum. */
  journalTotals: `SELECT (SELECT COUNT(*) FROM journal) AS entries, COUNT(*) AS tried, COALESCE(SUM(outcome = 'kept'), 0) AS helped
    FROM (SELECT outcome, MAX(at_ms) FROM journal WHERE outcome IS NOT NULL GROUP BY COALESCE(run_id, 'entry ' || id))`,
  journalFound: "SELECT at_ms AS atMs FROM journal WHERE kind = 'finding' AND rule = ? AND subject = ? ORDER BY at_ms DESC LIMIT 1",
  journalOfRun: `SELECT ${JOURNAL}, j.subject, j.preset_id AS presetId FROM journal j WHERE j.run_id IS NOT NULL AND j.run_id = ? AND j.kind = 'action' LIMIT 1`,
  /** What a user wrote to is kept, and what came of something. */
  dropFindings: "DELETE FROM journal WHERE kind = 'finding' AND note = '' AND at_ms < ?",
  /** The time of the oldest finding that stays when only so many may. */
  findingLimit: "SELECT at_ms AS atMs FROM journal WHERE kind = 'finding' ORDER BY at_ms DESC LIMIT 1 OFFSET ?",
  lookIds: 'SELECT id FROM look WHERE at_ms >= ? ORDER BY at_ms DESC',
  lookBody: 'SELECT body FROM look WHERE id = ?',
  lookLimit: 'SELECT at_ms AS atMs FROM look ORDER BY at_ms DESC LIMIT 1 OFFSET ?',
  dropLooks: 'DELETE FROM look WHERE at_ms < ?',
  diagnosisOfRun: 'SELECT at_ms AS atMs, body FROM diagnosis WHERE run_id = ?',
  diagnosisBetween: 'SELECT at_ms AS atMs, body FROM diagnosis WHERE at_ms >= ? AND at_ms <= ? ORDER BY at_ms DESC LIMIT 1',
  dropDiagnoses: 'DELETE FROM diagnosis WHERE at_ms < ?',
} as const
