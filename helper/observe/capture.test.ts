import { readFileSync, rmSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeRoot, type MadeRoot } from '../test/proc-tree.ts'
import { captureMachine, scrubCommandLine, scrubPath } from './capture.ts'
import { readMachine } from './machine.ts'
import { readProbe } from './probe.ts'

let made: MadeRoot
let out: MadeRoot
beforeEach(() => {
  made = makeRoot()
  out = makeRoot()
  rmSync(join(out.root, 'proc'), { recursive: true })
})
afterEach(() => {
  made.remove()
  out.remove()
})

const everything = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return `${path.slice(folder.length)}\n${entry.isFile() ? readFileSync(path, 'utf8') : ''}`
  }).join('\n')

test('nothing private is kept, and what is kept reads the same', () => {
  made.run(
    { pid: 100, exe: '/home/karla/.local/share/claude/versions/2.1.197', argv: ['claude', '-p', 'my secret plan', '--api-key=sk-123', 'sk-456'], cwd: '/home/karla/work/merger', environment: ['TOKEN=sk-789'], pssKib: 10 },
    { pid: 101, parent: 100, exe: '/usr/bin/bash', argv: ['bash', '-c', 'curl -H "Bearer sk-000"'] },
    { pid: 200, exe: '/usr/bin/ssh', argv: ['ssh', 'karla@bank'] },
  )
  captureMachine(made.root, out.root, [100])
  const text = everything(out.root)
  for (const secret of ['karla', 'merger', 'secret', 'sk-', 'Bearer', 'bank', '00000000-1111-4222-8333-444444444445']) expect(text).not.toContain(secret)
  expect(text).toContain('claude\0-p\0x\0--api-key=x\0x\0')
  expect(readdirSync(join(out.root, 'proc')).filter((name) => /^\d+$/u.test(name))).toEqual(['100', '101'])
  expect(readMachine(out.root)).toEqual(JSON.parse(JSON.stringify(readMachine(made.root)).replaceAll(made.root, out.root)))
  expect(readProbe(out.root).kernelRelease).toBe('6.12.9-amd64')
})

test('paths keep packages and lose people', () => {
  expect(scrubPath('/home/karla/x')).toBe('/home/user/x')
  expect(scrubPath('/root')).toBe('/home/user')
  expect(scrubPath('/srv/karla/node_modules/@google/gemini-cli/x.js')).toBe('/home/user/.npm-global/lib/node_modules/@google/gemini-cli/x.js')
  expect(scrubPath('/srv/karla/run.sh')).toBe('/x/run.sh')
  expect(scrubPath('/tmp/karla-1/x')).toBe('/tmp/x/x')
  expect(scrubCommandLine(['node', '--a=b', '/home/karla/s.js', 'serve', 'Karla', 'serve'])).toEqual(['node', '--a=x', '/home/user/s.js', 'serve', 'x', 'x'])
})
