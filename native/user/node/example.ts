import { AgentMemory } from './index.ts'

const memory = await AgentMemory.open({ name: 'example' })
const prompt = await memory.alloc('system-prompt', 'You are a careful assistant.\n'.repeat(10_000))
const talk = await memory.alloc('conversation', '{"role":"user","text":"hello"}\n')
await talk.append('{"role":"assistant","text":"good morning"}\n')
const other = await talk.fork()
await other.append('{"role":"user","text":"another way"}\n')
const { data } = await prompt.map()
console.log(`${memory.backend}: ${data.length} bytes of prompt, ${(await other.read()).length} of the fork, ${(await memory.stat()).units} units`)
await memory.close()
