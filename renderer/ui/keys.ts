import { useEffect } from 'react'
import { useFlow, setHelp } from '../stores/flow.ts'
import { go, pages, type Page } from '../stores/route.ts'

export const letters: Record<string, Page> = { o: 'overview', a: 'agents', r: 'leftovers', f: 'fixes', l: 'layers', u: 'units', c: 'compare', d: 'diagnosis', k: 'leaks', h: 'history', j: 'journal', s: 'settings' }

const isTyping = (target: EventTarget | null): boolean => target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'SELECT', 'TEXTAREA'].includes(target.tagName))

const focusFilter = (tries: number): void => {
  const filter = document.querySelector<HTMLInputElement>('[data-filter]')
  if (filter !== null) filter.focus()
  else if (tries > 0) requestAnimationFrame(() => focusFilter(tries - 1))
}

/** One key a page, "/" for the filter, "?" for help. Nothing happens while typing or behind a dialog. */
export const useKeys = (): void => {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return
      if (document.querySelector('[role=dialog][data-state=open], [role=menu]') !== null) return
      const byNumber = pages[Number(event.key) - 1]
      const page = byNumber ?? letters[event.key]
      if (page !== undefined) go(page)
      else if (event.key === '/') {
        event.preventDefault()
        if (document.querySelector('[data-filter]') === null) go('agents')
        focusFilter(60)
      } else if (event.key === '?') setHelp(!useFlow.getState().help)
      else return
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [])
}
