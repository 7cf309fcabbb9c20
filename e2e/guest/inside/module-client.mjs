/**
 * A hundred agents, scaled to the guest: `fleet FILE COUNT` opens COUNT agents
 * that hold the same prompt and tools and a conversation of their own each,
 * and does what FILE says until it is gone: `idle`, `suspend N`, `resume N`,
 * `check`. Answers are written into FILE.answer, one JSON a command.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const library = '/usr/lib/agentmem/agentmem.js'
const { AgentMemory } = await import(library)
const [, , , file = '', count = '20'] = process.argv

const textOf = (seed, bytes) => {
  const words = Array.from({ length: 97 }, (_, at) => createHash('sha1').update(`${seed} ${at}`).digest('hex').slice(0, 3 + (at % 6)))
  let text = ''
  for (let at = 0; text.length < bytes; at += 1) text += `${words[(at * at + 3 * at) % 97]} `
  return Buffer.from(text.slice(0, bytes))
}
const prompt = textOf('prompt', 40_000)
const tools = textOf('tools', 90_000)
const agents = []
for (let at = 0; at < Number(count); at += 1) {
  const memory = await AgentMemory.open({ name: `fleet-${at}` })
  const talk = textOf(`talk ${at}`, 150_000)
  const units = [await memory.alloc('system-prompt', prompt), await memory.alloc('tool-definition', tools), await memory.alloc('conversation', talk)]
  agents.push({ memory, units, texts: [prompt, tools, talk] })
}
const isSame = async ({ units, texts }) => {
  for (const [at, unit] of units.entries()) if (Buffer.compare(Buffer.from(await unit.read()), texts[at]) !== 0) return false
  return true
}
const answer = (value) => {
  writeFileSync(`${file}.new`, JSON.stringify(value))
  renameSync(`${file}.new`, `${file}.answer`)
}
const one = (at) => agents[Number(at)] ?? agents[0]
const commands = {
  idle: async () => ({ backends: [...new Set(agents.map(({ memory }) => memory.backend))], agents: agents.length, bytesEach: prompt.length + tools.length + 150_000, distinctBytes: prompt.length + tools.length + agents.length * 150_000 }),
  suspend: async (at) => {
    await one(at).memory.setState('suspended')
    return { suspended: at }
  },
  resume: async (at) => {
    await one(at).memory.setState('active')
    return { same: await isSame(one(at)) }
  },
  check: async () => ({ same: (await Promise.all(agents.map(isSame))).every(Boolean) }),
}

let last = ''
while (existsSync(file)) {
  const line = readFileSync(file, 'utf8').trim()
  const [what = '', at] = line.split(' ').slice(1)
  if (line !== last && Object.hasOwn(commands, what)) answer({ line, ...(await commands[what](at)) })
  last = line
  await sleep(50)
}
for (const { memory } of agents) await memory.close()
