import { basename } from 'node:path'
import type { Signature } from '../contract/agents.ts'
import type { Identity } from './identity.ts'

type Evidence = Signature['match'][number]

/** Whether whole segments stand in a row in a path: "a/b" in "/x/a/b/c", never in "/x/aa/b". */
export const holdsSegments = (path: string, segments: string): boolean => `/${path}/`.includes(`/${segments}/`)

const holdsAny = (path: string | null, list: readonly string[]): boolean =>
  path !== null && list.some((segments) => holdsSegments(path, segments))

const isInterpreter = (name: string, list: readonly string[]): boolean =>
  list.some((interpreter) => name === interpreter || (name.startsWith(interpreter) && /^[\d.]+$/u.test(name.slice(interpreter.length))))

/**
 * Whether an argument that makes this a server is given. Flags count anywhere
 * before the first plain word, and that word counts; a plain word behind a
 * flag may be its value, so it counts but does not end the search. What comes
 * later is a prompt or a file name.
 */
export const hasArgument = (rest: readonly string[], forbidden: readonly string[]): boolean => {
  let afterFlag = false
  for (const word of rest) {
    if (word === '--') return false
    if (forbidden.includes(word.startsWith('-') ? word.replace(/=.*$/su, '') : word)) return true
    const flag = word.startsWith('-')
    if (!flag && !afterFlag) return false
    afterFlag = flag && !word.includes('=')
  }
  return false
}

/** `-m NAME`, or a console script `.../bin/NAME`, which is how pip, pipx and uv install one. */
const runsModule = (identity: Identity, modules: readonly string[]): boolean =>
  modules.some((module) =>
    identity.module === module ||
    [identity.script, identity.scriptArgument].some((path) => path !== null && path.endsWith(`/bin/${module}`)))

const isProgram = (identity: Identity, evidence: Evidence): boolean => {
  const path = identity.executable ?? identity.argv[0] ?? null
  if (evidence.executable !== undefined && !evidence.executable.includes(identity.name)) return false
  if (evidence.executableIn !== undefined && !holdsAny(path, evidence.executableIn)) return false
  if (evidence.interpreter !== undefined && !isInterpreter(identity.name, evidence.interpreter)) return false
  const scripted = evidence.scriptIn !== undefined || evidence.module !== undefined
  if (scripted && !identity.interpreter) return false
  if (evidence.scriptIn !== undefined && !holdsAny(identity.script, evidence.scriptIn)) return false
  if (evidence.module !== undefined && !runsModule(identity, evidence.module)) return false
  // An entry that names nothing would match everything.
  return evidence.executable !== undefined || evidence.executableIn !== undefined || scripted
}

const fits = (identity: Identity, evidence: Evidence): boolean =>
  isProgram(identity, evidence) && (evidence.notArguments === undefined || !hasArgument(identity.rest, evidence.notArguments))

/** Whether a process runs an agent's program in any way, as a server too: under the agent it is its worker. */
export const runsProgramOf = (identity: Identity, signature: Signature): boolean =>
  signature.match.some((evidence) => isProgram(identity, evidence))

/** The first signature that a process fits. */
export const matchSignature = (identity: Identity, signatures: readonly Signature[]): Signature | null =>
  signatures.find((signature) => signature.match.some((evidence) => fits(identity, evidence))) ?? null

/** A program that acts by the name it is called with: Claude Code's own binary is also its `rg`. */
export const calledAsOther = (identity: Identity): string | null => {
  const called = basename(identity.argv[0] ?? '')
  return identity.executable !== null && !identity.interpreter && called !== '' && called !== identity.name ? called : null
}
