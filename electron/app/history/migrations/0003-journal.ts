import type { Migration } from '../migrate.ts'

/**
 * What was found, tried and came of it, with the user's notes: searched as
 * words by an index that holds no copy of them. An entry is known by its uuid,
 * so that one journal taken into another twice is there once. Beside it the
 * last looks at the machine (two of them give rates, also to a command that
 * has just started), and what was found at the time of a run or a report.
 */
export const journal: Migration = {
  number: 3,
  name: 'journal',
  sql: `
    CREATE TABLE journal (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      uuid TEXT NOT NULL UNIQUE,
      at_ms INTEGER NOT NULL,
      kind TEXT NOT NULL,
      rule TEXT,
      subject TEXT NOT NULL,
      solution TEXT,
      preset_id TEXT,
      run_id TEXT,
      title TEXT NOT NULL,
      text TEXT NOT NULL,
      note TEXT NOT NULL,
      outcome TEXT,
      gain_bytes INTEGER,
      kernel_release TEXT NOT NULL
    );
    CREATE INDEX journal_by_time ON journal (at_ms, id);
    CREATE INDEX journal_by_solution ON journal (rule, solution, at_ms) WHERE outcome IS NOT NULL;
    CREATE INDEX journal_by_preset ON journal (preset_id, at_ms) WHERE outcome IS NOT NULL;
    CREATE INDEX journal_by_finding ON journal (rule, subject, at_ms) WHERE kind = 'finding';
    CREATE INDEX journal_findings ON journal (at_ms) WHERE kind = 'finding';
    -- App and agentmemctl both hear how a run ended: the first one writes it.
    CREATE UNIQUE INDEX journal_once_a_run ON journal (run_id, kind, COALESCE(outcome, '')) WHERE run_id IS NOT NULL;

    CREATE VIRTUAL TABLE journal_words USING fts5(
      title, text, note, rule, solution,
      content = 'journal', content_rowid = 'id',
      tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    CREATE TRIGGER journal_added AFTER INSERT ON journal BEGIN
      INSERT INTO journal_words (rowid, title, text, note, rule, solution) VALUES (new.id, new.title, new.text, new.note, new.rule, new.solution);
    END;
    CREATE TRIGGER journal_removed AFTER DELETE ON journal BEGIN
      INSERT INTO journal_words (journal_words, rowid, title, text, note, rule, solution) VALUES ('delete', old.id, old.title, old.text, old.note, old.rule, old.solution);
    END;
    CREATE TRIGGER journal_changed AFTER UPDATE ON journal BEGIN
      INSERT INTO journal_words (journal_words, rowid, title, text, note, rule, solution) VALUES ('delete', old.id, old.title, old.text, old.note, old.rule, old.solution);
      INSERT INTO journal_words (rowid, title, text, note, rule, solution) VALUES (new.id, new.title, new.text, new.note, new.rule, new.solution);
    END;

    -- body: Evidence, packed.
    CREATE TABLE look (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      at_ms INTEGER NOT NULL,
      boot_id TEXT NOT NULL,
      body BLOB NOT NULL
    );
    CREATE INDEX look_by_time ON look (at_ms);

    -- body: the findings, packed; run_id: found when that run was measured.
    CREATE TABLE diagnosis (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      at_ms INTEGER NOT NULL,
      run_id TEXT UNIQUE,
      body BLOB NOT NULL
    );
    CREATE INDEX diagnosis_by_time ON diagnosis (at_ms);
  `,
}
