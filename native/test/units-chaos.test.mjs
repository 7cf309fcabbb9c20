/** The broker and its clients killed at random: a short run of what `npm run long -- broker` does at length. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const threaded = true

export const tests = [
  {
    name: 'units: 24 kills of broker and clients lose no unit on disk and give no wrong byte',
    /** @param {{ binDir: string, testDir: string }} context */
    run: ({ binDir, testDir }) => {
      const folder = mkdtempSync(join(tmpdir(), 'agentmem-chaos-'))
      try {
        mkdirSync(join(folder, 'config/agentmem'), { recursive: true })
        writeFileSync(join(folder, 'config/agentmem/broker.conf'), 'warm_after_ms=150\ncold_after_ms=400\nthorough_after_ms=2000\n')
        const starter = join(folder, 'broker.sh')
        writeFileSync(starter, `#!/bin/sh\nexec '${join(binDir, 'agentmem-broker')}' --grace-ms 1500 "$@"\n`, { mode: 0o755 })
        const env = { ...process.env, AGENTMEM_SOCKET: join(folder, 'broker.sock'), AGENTMEM_BROKER: starter, XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder }
        const { status, stdout, stderr } = spawnSync(join(testDir, 'units-chaos'), ['24', '7'], { env, encoding: 'utf8', timeout: 120_000 })
        assert.equal(status, 0, `${stdout}${stderr}`)
        // Killed and used it really was.
        assert.match(stdout, /broker_kills [1-9]/u)
        assert.match(stdout, /checked [1-9]\d\d/u)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  },
]
