import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { overflow } from '../mocked/look.ts'

export interface Size {
  readonly width: number
  readonly height: number
}

/** One picture, `name`.png, of this size and theme. */
export const shootOne = async (page: Page, folder: string, name: string, size: Size, colorScheme: 'light' | 'dark'): Promise<void> => {
  await page.setViewportSize(size)
  await page.emulateMedia({ colorScheme })
  await page.waitForTimeout(300) // charts follow a frame after the size
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** Pictures in every size, light and dark, named by both; `place` scrolls to what they are of, which another size has moved; `wide` hears of each size how far the page runs out of it sideways. Leaves the page in size `rest`. */
export const shooter = (page: Page, how: { readonly folder: string; readonly sizes: readonly Size[]; readonly rest: Size; readonly wide: (name: string, widthPx: number, overflowPx: number) => void }) =>
  async (name: string, place?: () => Promise<unknown>): Promise<void> => {
    for (const size of how.sizes) {
      await page.setViewportSize(size)
      await place?.()
      for (const colorScheme of ['light', 'dark'] as const) await shootOne(page, how.folder, `${name}-${size.width}-${colorScheme}`, size, colorScheme)
      how.wide(name, size.width, await overflow(page))
    }
    await page.setViewportSize(how.rest)
  }
