import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { howToReach } from './reach.ts'

it('says how the command is called where it is none, and nothing where it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-reach-'))
  try {
    expect(howToReach(`/nowhere:${folder}`, '/srv/agentmem/electron/cli/agentmemctl.cjs')).toContain('here it is /srv/agentmem/electron/cli/agentmemctl.cjs.')
    writeFileSync(join(folder, 'agentmemctl'), '')
    expect(howToReach(`/nowhere:${folder}`, '/srv/agentmem/electron/cli/agentmemctl.cjs')).toBeNull()
    // A folder that is not absolute is wherever one stands: the hint would hold there alone.
    expect(howToReach('', '/x')).not.toBeNull()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
