import type { Migration } from '../migrate.ts'

/**
 * What the session role spools about agents. A line is known by its spool and
 * number, so that taking the same one in twice changes nothing; `spool` holds
 * how far each was read. Times are Unix milliseconds: two changes of state may
 * fall into one second.
 */
export const lifecycle: Migration = {
  number: 2,
  name: 'lifecycle',
  sql: `
    CREATE TABLE spool (
      id TEXT PRIMARY KEY,
      after_seq INTEGER NOT NULL,
      seen_at_ms INTEGER NOT NULL
    ) WITHOUT ROWID;

    -- Keyed by agent, because a timeline is read for one; from_state NULL: it appeared.
    CREATE TABLE transition (
      agent_id TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      spool TEXT NOT NULL,
      seq INTEGER NOT NULL,
      from_state TEXT,
      to_state TEXT NOT NULL,
      cause TEXT NOT NULL,
      text TEXT NOT NULL,
      PRIMARY KEY (agent_id, at_ms, spool, seq)
    ) WITHOUT ROWID;
    CREATE INDEX transition_by_time ON transition (at_ms);

    -- resumed_at_ms NULL: still suspended, or it ended so, or the line was lost.
    CREATE TABLE suspension (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      spool TEXT NOT NULL,
      seq INTEGER NOT NULL,
      agent_id TEXT NOT NULL,
      since_ms INTEGER NOT NULL,
      resumed_at_ms INTEGER,
      won_bytes INTEGER NOT NULL,
      body BLOB NOT NULL,
      resumed BLOB,
      UNIQUE (spool, seq)
    );
    CREATE INDEX suspension_by_agent ON suspension (agent_id, since_ms);
    CREATE INDEX suspension_by_time ON suspension (since_ms);

    -- told: whether the desktop showed it.
    CREATE TABLE guard_word (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      spool TEXT NOT NULL,
      seq INTEGER NOT NULL,
      at_ms INTEGER NOT NULL,
      told INTEGER NOT NULL,
      body TEXT NOT NULL,
      UNIQUE (spool, seq)
    );
    CREATE INDEX guard_word_by_time ON guard_word (at_ms);
    CREATE INDEX guard_word_untold ON guard_word (at_ms) WHERE told = 0;
  `,
}
