import type { Migration } from '../migrate.ts'

/**
 * Sizes first: a sample row is about 15 bytes, so times are whole seconds,
 * memory is KiB and percent is in hundredths. The finest level is keyed by
 * time, because it is written every second and must touch one page, not one
 * for each agent; the coarser ones are keyed by series, because they are read.
 */
export const first: Migration = {
  number: 1,
  name: 'first',
  sql: `
    CREATE TABLE series (
      key INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      label TEXT NOT NULL
    );
    CREATE TABLE sample_1s (
      at_s INTEGER NOT NULL,
      series INTEGER NOT NULL,
      value INTEGER NOT NULL,
      PRIMARY KEY (at_s, series)
    ) WITHOUT ROWID;
    CREATE TABLE sample_10s (
      series INTEGER NOT NULL,
      at_s INTEGER NOT NULL,
      n INTEGER NOT NULL,
      value INTEGER NOT NULL,
      PRIMARY KEY (series, at_s)
    ) WITHOUT ROWID;
    CREATE TABLE sample_5min (
      series INTEGER NOT NULL,
      at_s INTEGER NOT NULL,
      n INTEGER NOT NULL,
      value INTEGER NOT NULL,
      PRIMARY KEY (series, at_s)
    ) WITHOUT ROWID;
    -- rolled_to_s: this level is complete before it. kept_from_s: older rows were dropped.
    CREATE TABLE level (
      name TEXT PRIMARY KEY,
      rolled_to_s INTEGER NOT NULL,
      kept_from_s INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO level VALUES ('1s', 0, 0), ('10s', 0, 0), ('5min', 0, 0);

    CREATE TABLE run (
      id TEXT PRIMARY KEY,
      started_at_ms INTEGER NOT NULL,
      state TEXT NOT NULL,
      summary TEXT NOT NULL,
      gain_bytes INTEGER,
      noise_bytes INTEGER,
      record BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX run_by_start ON run (started_at_ms, id);

    -- side: 0 and 1 are the looks before a run, 2 the one after; NULL for any other snapshot.
    CREATE TABLE snapshot (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      taken_at_ms INTEGER NOT NULL,
      label TEXT NOT NULL,
      origin TEXT NOT NULL,
      run_id TEXT,
      side INTEGER,
      agents INTEGER NOT NULL,
      agents_cost_bytes INTEGER NOT NULL,
      available_bytes INTEGER NOT NULL,
      body BLOB NOT NULL
    );
    CREATE INDEX snapshot_by_time ON snapshot (taken_at_ms);
    CREATE UNIQUE INDEX snapshot_by_run ON snapshot (run_id, side);

    CREATE TABLE event (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      at_ms INTEGER NOT NULL,
      kind TEXT NOT NULL,
      text TEXT NOT NULL,
      run_id TEXT,
      agent_id TEXT
    );
    CREATE INDEX event_by_time ON event (at_ms);
  `,
}
