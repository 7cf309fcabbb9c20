import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const project = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(project, path), 'utf8')

/** Code blocks of one language. */
const blocks = (text: string, language: string): string[] => [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gmu'))].map(([, code = '']) => code)

describe('documentation', () => {
  it.each([
    ['docs/units.md', 'c', 'native/user/lib/examples/twenty-lines.c'],
    ['docs/units.md', 'ts', 'native/user/node/example.ts'],
    ['native/user/node/README.md', 'ts', 'native/user/node/example.ts'],
  ])('%s shows, in %s, the example that the tests run: %s', (page, language, example) => {
    expect(blocks(read(page), language)).toContain(read(example))
  })

  it.each(['README.md', ...readdirSync(join(project, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)])('%s links to what is there', (page) => {
    const links = [...read(page).matchAll(/\]\((?<target>[^)#:\s]+)(?:#[^)]*)?\)/gu)].map(({ groups }) => groups?.['target'] ?? '')
    expect(links.filter((link) => !existsSync(join(project, dirname(page), link)))).toEqual([])
  })
})
