#!/usr/bin/env node
// Runs agentmemctl.ts, which needs Node 24: under an older one, looks for the
// one that set-up has put beside the checkout, and says what is missing.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const projectDir = dirname(dirname(folder))

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import('./agentmemctl.ts')
} else {
  const own = [process.env.AGENTMEM_NODE, join(projectDir, 'build', 'toolchain', 'node_modules', `node-linux-${process.arch}`, 'bin', 'node'), '/usr/lib/agentmem/node'].find((path) => path !== undefined && existsSync(path))
  if (own === undefined) {
    process.stderr.write(`agentmemctl: needs Node 24, this is ${process.versions.node}. Run "npm start" once: it sets up the right one.\n`)
    process.exitCode = 3
  } else {
    const { status, signal } = spawnSync(own, [join(folder, 'agentmemctl.ts'), ...process.argv.slice(2)], { stdio: 'inherit' })
    process.exitCode = status ?? 128 + (signal === null ? 0 : constants.signals[signal])
  }
}
