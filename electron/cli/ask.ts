import { createInterface } from 'node:readline/promises'
import type { Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'

export const question = async (text: string): Promise<string> => {
  const readline = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await readline.question(text)).trim().toLowerCase()
  } finally {
    readline.close()
  }
}

/** True when it may be done: said so with --yes, or answered with yes. Where nobody can be asked, why not. */
export const mayDo = async (text: string, { yes, json }: { readonly yes: boolean; readonly json: boolean }): Promise<Result<boolean>> => {
  if (yes) return ok(true)
  if (json || !process.stdin.isTTY) return fail('bad-request', 'Nobody can be asked here whether to do this.', { advice: 'Add --yes to do it without a question.' })
  return ok((await question(`${text} [y/N] `)).startsWith('y'))
}
