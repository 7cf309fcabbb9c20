import { parse as parseToml } from 'smol-toml'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'

/** The settings as an object; a file that is no TOML is never touched. */
export const tomlOf = (path: string, text: string): Result<Record<string, unknown>> => {
  try {
    return ok(parseToml(text))
  } catch (error) {
    return fail('not-supported', `${path} is not valid TOML, so it is left alone.`, { about: path, got: error instanceof Error ? error.message.split('\n')[0] ?? '' : String(error), advice: 'Mend the file, then try again.' })
  }
}

/** The text without each line of ours and the comment above it that marks it. */
export const withoutMarked = (text: string, mark: string): string => text.replaceAll(new RegExp(`^${mark}\\n.*\\n?`, 'gmu'), '')

/** The text with our marked line as its first: before the first table, since a key behind one would belong to it. An older one of ours goes. */
export const withMarkedFirst = (text: string, mark: string, line: string): string => {
  const ours = `${mark}\n${line}\n`
  return text.includes(ours) ? text : ours + withoutMarked(text, mark)
}
