import { badRequest, resultSchema } from '../../../helper/contract/errors.ts'
import { fail } from '../../../helper/contract/result.ts'
import { callNames, channels, type Answer, type CallName, type Request } from '../../contract/channels.ts'
import type { Handlers } from './handlers.ts'

export const isCallName = (name: string): name is CallName => callNames.some((known) => known === name)

/**
 * The one way in: whatever a window sends is checked before a handler sees it,
 * and what a handler answers is checked before a window sees it. An exception
 * is a bug and becomes `internal` with the text to report.
 */
export const dispatch = async <K extends CallName>(handlers: Handlers, name: K, request: unknown): Promise<Answer<K>> => {
  const parsed = channels[name].request.safeParse(request)
  if (!parsed.success) return badRequest(name, parsed.error)
  try {
    const answer = await handlers[name](parsed.data as Request<K>)
    const checked = resultSchema(channels[name].response).safeParse(answer)
    if (!checked.success) {
      const issue = checked.error.issues[0]
      return fail('internal', `${name} answered in a wrong form.`, { about: name, got: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}` })
    }
    return checked.data as Answer<K>
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    console.error(`${name}: ${text}`)
    return fail('internal', `${name} failed by a mistake in this program.`, { about: name, got: text.slice(0, 2000), advice: 'Please report it with the text below.' })
  }
}
