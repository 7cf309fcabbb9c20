/** A word holds a letter or a digit; anything else the index would not find. */
const FINDABLE = /[\p{L}\p{N}\p{Co}]/u
const MOST_WORDS = 32

/**
 * What a user typed as a question to the index: every word has to be there,
 * its beginning is enough; "in quotes" a row of words. Each becomes a quoted
 * string, so that nothing typed is ever an operator or an error. Null where
 * there is no word to look for.
 */
export const matchOf = (text: string): string | null => {
  const parts = [...text.replaceAll('\0', ' ').matchAll(/"([^"]*)"?|[^\s"]+/gu)]
    .map(([whole, phrase]) => ({ text: phrase ?? whole, isPhrase: phrase !== undefined }))
    .filter((part) => FINDABLE.test(part.text))
    .slice(0, MOST_WORDS)
  // Within quotes of the index there are none left: they ended words here.
  return parts.length === 0 ? null : parts.map((part) => `"${part.text}"${part.isPhrase ? '' : '*'}`).join(' ')
}
