import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { defaultPolicy, policySchema, type Policy } from '../../contract/lifecycle.ts'
import { readOwnText, writeOwnText } from '../registry/state-file.ts'

/** The user's policy.json. A file that cannot be used leaves the default in force, which does nothing by itself, and says why. */
export const loadPolicy = (path: string): { policy: Policy; problem: string | null } => {
  const text = readOwnText(path)
  if (!text.ok) return { policy: defaultPolicy, problem: text.error.message }
  if (text.value === null) return { policy: defaultPolicy, problem: null }
  try {
    const parsed = policySchema.safeParse(JSON.parse(text.value))
    if (parsed.success) return { policy: parsed.data, problem: null }
    const issue = parsed.error.issues[0]
    return { policy: defaultPolicy, problem: `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not as expected'}. Nothing is done by itself until it is mended or saved again.` }
  } catch (error) {
    return { policy: defaultPolicy, problem: `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}. Nothing is done by itself until it is mended or saved again.` }
  }
}

export const savePolicy = (path: string, policy: Policy): Result<Policy> => {
  const written = writeOwnText(path, `${JSON.stringify(policy, null, 2)}\n`)
  return written.ok ? ok(policy) : fail(written.error.code, 'The policy could not be saved.', written.error)
}
