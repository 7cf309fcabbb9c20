/**
 * `npm run long -- broker --kills 1000 --seed N`: the user's broker and its
 * clients are killed at random while they work. No wrong byte, no unit lost
 * that was on disk, nothing left behind; exit code 1 otherwise.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { program } from '../bench/parts/broker.ts'

const { values } = parseArgs({ options: { kills: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } } })
const folder = mkdtempSync('/var/tmp/agentmem-chaos-')
mkdirSync(join(folder, 'config/agentmem'), { recursive: true })
// Everything moves through all tiers within seconds.
writeFileSync(join(folder, 'config/agentmem/broker.conf'), 'warm_after_ms=150\ncold_after_ms=400\nthorough_after_ms=2000\n')
// What an agent held whose processes are all gone is freed soon.
const starter = join(folder, 'broker.sh')
writeFileSync(starter, `#!/bin/sh\nexec '${program('agentmem-broker')}' --grace-ms 1500 "$@"\n`, { mode: 0o755 })
const env = {
  ...process.env, AGENTMEM_SOCKET: join(folder, 'broker.sock'), AGENTMEM_BROKER: starter,
  XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder,
}
const child = spawn(program('units-chaos', 'native-tests-hardened'), [values.kills, values.seed], { env, stdio: ['ignore', 'inherit', 'inherit'] })
const [code] = await once(child, 'exit')
rmSync(folder, { recursive: true, force: true })
console.log(code === 0 ? `${values.kills} kills: nothing wrong, nothing lost, nothing left behind` : `${values.kills} kills: something went wrong (exit code ${code})`)
process.exitCode = code === 0 ? 0 : 1
