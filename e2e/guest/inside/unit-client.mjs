/**
 * A program that uses the installed bindings: `once` hands in a prompt, reads
 * it back and frees it; `hold FILE` keeps a conversation until FILE is gone,
 * and writes what it knows of it into FILE. Says where its units are.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const library = '/usr/lib/agentmem/agentmem.js'
const { AgentMemory } = await import(library)
const [what, file] = process.argv.slice(2)
const memory = await AgentMemory.open({ name: `guest-${what}` })
const text = Buffer.from('{"role":"user","content":"a line of a conversation that is long enough"}\n'.repeat(8000))
const unit = await memory.alloc(what === 'hold' ? 'conversation' : 'system-prompt', text)

const isSame = async () => Buffer.compare(Buffer.from(await unit.read()), text) === 0
const about = async () => JSON.stringify({ backend: memory.backend, same: await isSame() })

if (what === 'hold' && file !== undefined) {
  while (existsSync(file)) {
    const { tier } = await unit.stat()
    // Reading brings it back: only once it is where it should go.
    writeFileSync(file, JSON.stringify({ tier, ...(tier === 'cold' ? JSON.parse(await about()) : {}) }))
    await sleep(300)
  }
} else {
  console.log(await about())
}
await unit.free()
await memory.close()
