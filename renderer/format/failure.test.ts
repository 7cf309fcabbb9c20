import { describe, expect, it } from 'vitest'
import { errorCodeSchema } from '../../helper/contract/errors.ts'
import { fail } from '../../helper/contract/result.ts'
import { failureWords } from './failure.ts'

describe('failureWords', () => {
  it('has a title and a sentence for every code but the closed password dialog', () => {
    for (const code of errorCodeSchema.options) {
      const words = failureWords(fail(code, 'It happened.').error)
      if (code === 'authorization-dismissed') expect(words).toBeNull()
      else expect({ code, title: words?.title !== undefined && words.title.length > 0, said: words?.text.includes('It happened.') }).toEqual({ code, title: true, said: true })
    }
  })

  it('names the action that was denied and who can allow it', () => {
    expect(failureWords(fail('authorization-denied', 'No.', { about: 'org.agentmem.reclaim' }).error)?.text).toBe('No. The action refused is org.agentmem.reclaim. An administrator of this machine can allow it.')
  })

  it('does not speak of the kernel or of runs when it is about the history', () => {
    const about = '/home/ada/.local/state/agentmem/history.db'
    expect(failureWords(fail('write-refused', 'Read-only.', { about }).error)).toMatchObject({ title: 'The history cannot be written', text: 'Read-only.' })
    expect(failureWords(fail('busy', 'Locked.', { about }).error)).toMatchObject({ title: 'The history is in use', text: 'Locked.' })
    expect(failureWords(fail('too-old', 'Newer.', { about }).error)?.offer).toBe('none')
  })

  it('shows what a program printed', () => {
    expect(failureWords(fail('internal', 'The script ended with an error.', { got: 'tar: no space' }).error)?.output).toBe('tar: no space')
  })

  it('says how much undoing needs and how much there is', () => {
    expect(failureWords(fail('does-not-fit', 'It holds too much.', { expected: '6 GB', got: '2 GB' }).error)?.text).toBe('It holds too much. Needed: 6 GB. Available: 2 GB. Close something large and try again.')
  })
})
