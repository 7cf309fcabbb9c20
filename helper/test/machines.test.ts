import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeMachine } from './describe-machine.ts'

const MACHINES = new URL('machines', import.meta.url).pathname
const names = readdirSync(MACHINES, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name)

describe('captured machines', () => {
  test('there are the four that the readers were written for', () => {
    expect(names.toSorted()).toEqual(['debian-12-linux-6.1', 'debian-12-linux-6.18-cgroup-v1', 'old-linux-4.19-zram', 'ubuntu-desktop-linux-6.8-cgroup-v2'])
  })

  test.each(names)('%s reads as expected.json says', async (name) => {
    const root = join(MACHINES, name)
    const expected: unknown = JSON.parse(readFileSync(join(root, 'expected.json'), 'utf8'))
    expect(JSON.parse(JSON.stringify(await describeMachine(root)))).toEqual(expected)
  })
})
