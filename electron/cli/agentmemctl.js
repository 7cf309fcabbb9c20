#!/usr/bin/env node
// Runs agentmemctl.ts, which needs Node 24: under an older one, looks for the
// one that set-up has put beside the checkout, and says what is missing.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import * as module from 'node:module'
import { constants, homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const projectDir = dirname(dirname(folder))

/** Whether build/cli holds these sources: a third of the memory, and half the time to start. */
function isBuilt() {
  try {
    const { inputs } = JSON.parse(readFileSync(join(projectDir, 'build', 'cli', 'inputs.json'), 'utf8'))
    return inputs.every(([file, modifiedMs]) => Math.floor(statSync(join(projectDir, file)).mtimeMs) === modifiedMs)
  } catch {
    return false // not built, or a source is gone
  }
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // Compiling is most of a short command's time; in a folder of the user's own, which nobody else can write.
  module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'agentmem', 'compiled'))
  await import(isBuilt() ? '../../build/cli/agentmemctl.js' : './agentmemctl.ts')
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
