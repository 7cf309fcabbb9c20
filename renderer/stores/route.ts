import { create } from 'zustand'
import { onAddress, readAddress, writeAddress } from '../api.ts'

export const pages = ['overview', 'agents', 'leftovers', 'fixes', 'layers', 'units', 'compare', 'diagnosis', 'leaks', 'history', 'journal', 'settings'] as const
export type Page = (typeof pages)[number]

interface Route {
  page: Page
  /** What follows the page in the address: a run id, an agent id. */
  rest: readonly string[]
}

const parse = (path: string): Route => {
  const [first, ...rest] = path.split('/').filter((part) => part !== '')
  const page = pages.find((name) => name === first) ?? 'overview'
  return { page, rest: rest.map(decodeURIComponent) }
}

export const useRoute = create<Route>()(() => parse(readAddress()))

export const startRoute = (): void => {
  onAddress((path) => useRoute.setState(parse(path), true))
}

/** Go to a page; `rest` becomes part of the address, so back and reload work. */
export const go = (page: Page, ...rest: readonly string[]): void => {
  writeAddress([page, ...rest.map(encodeURIComponent)].join('/'))
}
