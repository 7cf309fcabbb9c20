import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { answers, type AnswerName } from './answers.ts'
import { printedBy, schemaOf } from './schemas.ts'

const INTRO = `# What \`agentmemctl --json\` prints

Every command with \`--json\` prints one object with a \`version\` (\`memory-watch\` one a look, a line each). The version is raised when a field goes or means something else; fields may be added at any time, so readers leave alone what they do not know. \`agentmemctl schema ANSWER\` prints the whole JSON Schema of an answer, and \`agentmemctl schema\` lists them. This page is made from the same schemas (\`electron/cli/answers.ts\`) by \`electron/cli/schemas.test.ts\`, and every command is held to them when it is compiled.

- Amounts are bytes (\`...Bytes\`), times milliseconds (\`...Ms\`, \`atMs\` since 1970). Pids come with \`startTimeTicks\`: a number alone may be another process by now.
- A figure that may be missing is \`{ "value": 12 }\` or \`{ "value": null, "reason": "not-permitted", "detail": "..." }\`: missing is never zero. Below it is called *reading*.
- A failure is the answer \`error\` on standard output, with the exit code of \`agentmemctl --help\`; \`error.code\` is for programs, \`error.message\` and \`error.advice\` are for people.
`

interface Json { readonly [name: string]: unknown }
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const partsOf = (schema: Json): readonly Json[] => ['anyOf', 'oneOf'].flatMap((key) => (Array.isArray(schema[key]) ? schema[key].filter(isJson) : []))
const fieldsOf = (schema: Json): readonly (readonly [string, Json])[] => (isJson(schema['properties']) ? Object.entries(schema['properties']).flatMap(([name, field]) => (isJson(field) ? [[name, field] as const] : [])) : [])
const isReading = (schema: Json): boolean => partsOf(schema).some((part) => fieldsOf(part).some(([name]) => name === 'reason')) && partsOf(schema).every((part) => fieldsOf(part).some(([name]) => name === 'value'))

/** A schema in a few words, with the names of an object's fields. */
const words = (schema: Json, deep: boolean): string => {
  if (isReading(schema)) return 'reading'
  if ('const' in schema) return JSON.stringify(schema['const'])
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => JSON.stringify(value)).join(' or ')
  const parts = partsOf(schema)
  if (parts.length > 0) return [...new Set(parts.map((part) => words(part, deep)))].join(' or ')
  if (schema['type'] === 'array') return `list of ${isJson(schema['items']) ? words(schema['items'], deep) : 'anything'}`
  const fields = fieldsOf(schema)
  if (fields.length > 0) return deep ? `object: ${fields.map(([name, field]) => (words(field, false) === 'reading' ? `\`${name}\` (reading)` : `\`${name}\``)).join(', ')}` : 'object'
  if (Array.isArray(schema['type'])) return schema['type'].join(' or ')
  return typeof schema['type'] === 'string' ? schema['type'] : 'anything'
}

const section = (name: AnswerName): string => {
  const schema: Json = { ...schemaOf(name) }
  const needed = Array.isArray(schema['required']) ? schema['required'] : []
  const rows = fieldsOf(schema).map(([field, of]) => `| \`${field}\`${needed.includes(field) ? '' : ' (optional)'} | ${words(of, true).replaceAll('|', String.raw`\|`)} |`)
  const by = printedBy[name].map((command) => `\`agentmemctl ${command} --json\``).join(', ')
  return `## ${name}\n\n${by === '' ? 'Any command that fails.' : by}\n\n| field | |\n| --- | --- |\n${rows.join('\n')}\n`
}

const names = Object.keys(answers).filter((name): name is AnswerName => name in printedBy)

describe('what --json prints', () => {
  it('is described in docs/cli-json.md (vitest -u writes it anew)', async () => {
    await expect(`${INTRO}\n${names.map(section).join('\n')}`).toMatchFileSnapshot('../../docs/cli-json.md')
  })

  it('has a version and a schema for every command that takes --json', () => {
    for (const name of names) expect(schemaOf(name), name).toMatchObject({ type: 'object', properties: { version: { const: 1 } }, required: expect.arrayContaining(['version']) })
    const { stdout } = spawnSync(process.execPath, [join(import.meta.dirname, 'agentmemctl.cjs'), 'man'], { encoding: 'utf8' })
    const commands = stdout.split('\n.SS ').slice(1).filter((text) => text.includes(String.raw`.B \-\-json`)).map((text) => (text.split('\n')[0] ?? '').replaceAll(String.raw`\-`, '-'))
    const described = new Set(Object.values(printedBy).flat().map((command) => command.replaceAll(/ -?-?[A-Z].*| --.*/gu, '')))
    expect(commands.length).toBeGreaterThan(30)
    expect(commands.filter((command) => !described.has(command))).toEqual([])
    expect([...described].filter((command) => !commands.includes(command))).toEqual([])
  })

  it('is printed by the command line as well', () => {
    const schema = (...words: string[]) => spawnSync(process.execPath, [join(import.meta.dirname, 'agentmemctl.cjs'), 'schema', ...words], { encoding: 'utf8' })
    expect(JSON.parse(schema('leaks').stdout)).toEqual(JSON.parse(JSON.stringify(schemaOf('leaks'))))
    expect(schema().stdout).toMatch(/^diagnosis +memory-diagnose$/mu)
    expect(schema('lakes')).toMatchObject({ status: 2, stderr: expect.stringContaining('No answer is called "lakes"') })
  })
})
