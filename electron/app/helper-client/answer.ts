import { z } from 'zod'
import { resultSchema, type Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'

/**
 * The helper's JSON as a Result of the contract. Text that does not fit is
 * the other side's bug or another version: never passed on to the window.
 */
export const readAnswer = <T extends z.ZodType>(about: string, text: string, response: T): Result<z.infer<T>> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fail('too-old', `${about} answered something that is not JSON.`, { about, advice: 'Install the helper again so that both have the same version.' })
  }
  const parsed = resultSchema(response).safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return fail('too-old', `${about} answered in a form this app does not know.`, {
      about,
      got: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
      advice: 'Install the helper again so that both have the same version.',
    })
  }
  const answer = parsed.data as { ok: true; value: z.infer<T> } | { ok: false; error: Extract<Result<never>, { ok: false }>['error'] }
  return answer.ok ? ok(answer.value) : { ok: false, error: answer.error }
}
