import { expect, test } from 'vitest'
import { afterSecondLook, deservesSecondLook, sumOf } from './second-look.ts'

const file = (path: string, passed: number, failures: string[] = []) => ({ path, passed, skips: [{ name: `${path}: s`, reason: 'needs root' }], failures })

test('what passes the second time counts as passed and stays told of', () => {
  const { files, atSecondLook } = afterSecondLook([file('a', 10), file('b', 2, ['b: slow\n      expected 1'])], [file('b', 3)])
  expect(sumOf(files)).toMatchObject({ passed: 13, failed: 0, skipped: 2 })
  expect(atSecondLook).toEqual(['b: slow\n      expected 1'])
})

test('what fails again is a failure, with what it said the second time', () => {
  const { files, atSecondLook } = afterSecondLook([file('a', 1, ['a: one\n      once', 'a: two\n      once'])], [file('a', 2, ['a: two\n      twice'])])
  expect(sumOf(files)).toMatchObject({ passed: 2, failed: 1, failures: ['a: two\n      twice'] })
  expect(atSecondLook).toEqual(['a: one\n      once'])
})

test('another failure the second time counts', () => {
  const { files, atSecondLook } = afterSecondLook([file('a', 1, ['a: one'])], [file('a', 1, ['a: two'])])
  expect(sumOf(files)).toMatchObject({ passed: 1, failed: 1, failures: ['a: two'] })
  expect(atSecondLook).toEqual(['a: one'])
})

test.for([[[]], [[file('a', 0)]]])('a second look that tried nothing changes nothing', ([again]) => {
  const { files, atSecondLook } = afterSecondLook([file('a', 1, ['a: one'])], again ?? [])
  expect(sumOf(files)).toMatchObject({ passed: 1, failed: 1 })
  expect(atSecondLook).toEqual([])
})

test('one or two failures may be chance, but not what a sanitizer has seen', () => {
  expect(deservesSecondLook([])).toBe(false)
  expect(deservesSecondLook(['a: one\n      expected 200, got 210', 'b'])).toBe(true)
  expect(deservesSecondLook(['a', 'b', 'c'])).toBe(false)
  expect(deservesSecondLook(['a: one\nWARNING: ThreadSanitizer: data race'])).toBe(false)
  expect(deservesSecondLook(['a: one\n==7==ERROR: AddressSanitizer: heap-use-after-free'])).toBe(false)
  expect(deservesSecondLook(['a: one\nx.c:3:4: runtime error: signed integer overflow'])).toBe(false)
})
