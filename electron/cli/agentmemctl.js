#!/usr/bin/env -S node --jitless
// Runs agentmemctl.ts, which needs Node 24: under an older one, looks for the
// one that set-up has put beside the checkout, and says what is missing.
// On a machine short of memory every megabyte of it counts: without a compiler
// for what runs for seconds it takes two less (--jitless), and Node's modules
// are asked for where they are needed, since an import loads all their names.

/** Whether build/cli holds these sources: a third of the memory, and half the time to start. */
function isBuilt() {
  const { readFileSync, statSync } = process.getBuiltinModule('node:fs')
  const projectDir = `${import.meta.dirname}/../..`
  try {
    const { inputs } = JSON.parse(readFileSync(`${projectDir}/build/cli/inputs.json`, 'utf8'))
    return inputs.every(([file, modifiedMs]) => Math.floor(statSync(`${projectDir}/${file}`).mtimeMs) === modifiedMs)
  } catch {
    return false // not built, or a source is gone
  }
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // Compiling is most of a short command's time, but what is kept of it has to be in memory; in a folder of the user's own, which nobody else can write.
  if (process.argv[2] !== 'memory-diagnose') process.getBuiltinModule('node:module').enableCompileCache(`${process.env.XDG_CACHE_HOME || `${process.getBuiltinModule('node:os').homedir()}/.cache`}/agentmem/compiled`)
  await import(isBuilt() ? '../../build/cli/agentmemctl.js' : './agentmemctl.ts')
} else {
  const [{ spawnSync }, { existsSync }, { constants }, { fileURLToPath }] = await Promise.all([import('node:child_process'), import('node:fs'), import('node:os'), import('node:url')])
  const own = [process.env.AGENTMEM_NODE, fileURLToPath(new URL(`../../build/toolchain/node_modules/node-linux-${process.arch}/bin/node`, import.meta.url)), '/usr/lib/agentmem/node'].find((path) => path !== undefined && existsSync(path))
  if (own === undefined) {
    process.stderr.write(`agentmemctl: needs Node 24, this is ${process.versions.node}. Run "npm start" once: it sets up the right one.\n`)
    process.exitCode = 3
  } else {
    const { status, signal } = spawnSync(own, [...process.execArgv, fileURLToPath(new URL('agentmemctl.ts', import.meta.url)), ...process.argv.slice(2)], { stdio: 'inherit' })
    process.exitCode = status ?? 128 + (signal === null ? 0 : constants.signals[signal])
  }
}
