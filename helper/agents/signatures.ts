import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { signaturesFileSchema, type SignaturesFile } from '../contract/agents.ts'
import type { Failure, Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'

/** The signatures that come with the program. */
export const BUILT_IN_SIGNATURES_PATH = fileURLToPath(new URL('../../assets/agents.json', import.meta.url))

const LIMIT_BYTES = 512 * 1024

const advice = 'Mend the file or move it away; until then the built-in signatures are used.'

const readSignatures = (path: string): Result<SignaturesFile> => {
  let text: string
  try {
    const size = statSync(path).size
    if (size > LIMIT_BYTES) return fail('bad-request', `${path} is too large.`, { about: path, expected: `at most ${LIMIT_BYTES} bytes`, got: `${size} bytes`, advice })
    text = readFileSync(path, 'utf8')
  } catch (error) {
    return fail('bad-request', `${path} cannot be read.`, { about: path, got: error instanceof Error ? error.message : 'an unknown error', advice })
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail('bad-request', `${path} is not valid JSON.`, { about: path, expected: 'a JSON object', got: error instanceof Error ? error.message : 'other text', advice })
  }
  const parsed = signaturesFileSchema.safeParse(json)
  if (parsed.success) return ok(parsed.data)
  const issue = parsed.error.issues[0]
  return fail('bad-request', `${path} is not a list of agent signatures: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown'}`, {
    about: path, expected: 'version 1 with "agents" and "children"', got: issue?.message ?? 'something else', advice,
  })
}

/** The user's own come first: a kind of theirs replaces ours, and a child rule of theirs is tried before ours. */
const merge = (builtIn: SignaturesFile, own: SignaturesFile): SignaturesFile => {
  const kinds = new Set(own.agents.map((signature) => signature.kind))
  return {
    version: 1,
    agents: [...own.agents, ...builtIn.agents.filter((signature) => !kinds.has(signature.kind))],
    children: [...own.children, ...builtIn.children],
  }
}

/** Built-in signatures with the user's own added. A file of the user that is not there is no failure; a bad one is. */
export const loadSignatures = (builtInPath: string, ownPath?: string): Result<SignaturesFile> => {
  const builtIn = readSignatures(builtInPath)
  if (!builtIn.ok || ownPath === undefined || !existsSync(ownPath)) return builtIn
  const own = readSignatures(ownPath)
  return own.ok ? ok(merge(builtIn.value, own.value)) : own
}

/** The same for a program that goes on with the built-in ones when the user's own file is bad, and says so. */
export const loadSignaturesOrBuiltIn = (builtInPath: string, ownPath: string): Result<{ signatures: SignaturesFile; problem: Failure | null }> => {
  const both = loadSignatures(builtInPath, ownPath)
  if (both.ok) return ok({ signatures: both.value, problem: null })
  const builtIn = loadSignatures(builtInPath)
  return builtIn.ok ? ok({ signatures: builtIn.value, problem: both.error }) : builtIn
}
