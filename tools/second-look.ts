/** Results of test files, and what a second run of those that failed makes of them. */

export interface FileResult {
  path: string
  passed: number
  skips: { name: string; reason: string }[]
  /** Title, and from the second line on what was said. */
  failures: string[]
}

export interface ResultSum {
  passed: number
  failed: number
  skipped: number
  skips: FileResult['skips']
  failures: string[]
}

export const sumOf = (files: readonly FileResult[]): ResultSum => {
  const skips = files.flatMap((file) => file.skips)
  const failures = files.flatMap((file) => file.failures)
  return { passed: files.reduce((total, file) => total + file.passed, 0), failed: failures.length, skipped: skips.length, skips, failures }
}

/** More than this do not fail by chance. */
const SECOND_LOOKS_MOST = 2

/** What a sanitizer has seen once is there, however seldom. */
export const deservesSecondLook = (failures: readonly string[]): boolean =>
  failures.length > 0 && failures.length <= SECOND_LOOKS_MOST && !failures.some((failure) => /Sanitizer|runtime error:/u.test(failure))

const titleOf = (failure: string): string => failure.split('\n', 1)[0] ?? ''

/**
 * Files that were run again stand as they were the second time; one the second
 * run did not get to stays failed. `atSecondLook`: what failed the first time only.
 */
export const afterSecondLook = (first: readonly FileResult[], again: readonly FileResult[]): { files: FileResult[]; atSecondLook: string[] } => {
  const second = new Map(again.filter((file) => file.passed + file.failures.length > 0).map((file) => [file.path, file]))
  return {
    files: first.map((file) => second.get(file.path) ?? file),
    atSecondLook: first.flatMap((file) => {
      const still = second.get(file.path)?.failures.map(titleOf)
      return still === undefined ? [] : file.failures.filter((failure) => !still.includes(titleOf(failure)))
    }),
  }
}
