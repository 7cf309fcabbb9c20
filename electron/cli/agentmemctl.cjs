#!/usr/bin/env node
// Runs agentmemctl.ts, which needs Node 24: under an older one, looks for the
// one that set-up has put beside the checkout, and says what is missing.
// On a machine short of memory every megabyte of it counts, so this is a
// script, which Node starts with two less than a module, and nothing is
// compiled to be fast later.
const { readFileSync, statSync } = require('node:fs')
const path = require('node:path')

const projectDir = path.join(__dirname, '../..')

/** Whether build/cli holds these sources: half of the memory, and of the time to start. */
const isBuilt = () => {
  try {
    const { inputs } = JSON.parse(readFileSync(path.join(projectDir, 'build/cli/inputs.json'), 'utf8'))
    return inputs.every(([file, modifiedMs]) => Math.floor(statSync(path.join(projectDir, file)).mtimeMs) === modifiedMs)
  } catch {
    return false // not built, or a source is gone
  }
}

/** Compiling is most of a short command's time; in a folder of the user's own, which nobody else can write. */
const keepCompiled = () => { require('node:module').enableCompileCache(path.join(process.env.XDG_CACHE_HOME || path.join(require('node:os').homedir(), '.cache'), 'agentmem/compiled')) }

const run = () => {
  for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug', '--semi-space-growth-factor=1']) require('node:v8').setFlagsFromString(flag)
  // What is kept has to be in memory too: this one loads so little that it gains nothing by it.
  if (process.argv[2] !== 'memory-diagnose') keepCompiled()
  if (isBuilt()) require('../../build/cli/agentmemctl.js')
  else void import('./agentmemctl.ts')
}

const runByOwn = () => {
  const own = [process.env.AGENTMEM_NODE, path.join(projectDir, 'build/toolchain/node_modules', `node-linux-${process.arch}`, 'bin/node'), '/usr/lib/agentmem/node'].find((path) => path !== undefined && require('node:fs').existsSync(path))
  if (own === undefined) {
    process.stderr.write(`agentmemctl: needs Node 24, this is ${process.versions.node}. Run "npm start" once: it sets up the right one.\n`)
    process.exitCode = 3
    return
  }
  const { status, signal } = require('node:child_process').spawnSync(own, [__filename, ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exitCode = status ?? 128 + (signal === null ? 0 : require('node:os').constants.signals[signal])
}

if (Number(process.versions.node.split('.')[0]) >= 24) run()
else runByOwn()
