/**
 * Diagnosis, Leaks and Journal of an app that runs already, light and dark, at
 * four widths: node e2e/pages/diagnosis.ts ADDRESS [FOLDER]. The address is the
 * one that `agentmemctl open` prints.
 */
import { mkdirSync } from 'node:fs'
import { launchChromium } from '../mocked/browser.ts'
import { walkDiagnosis, walkJournal, walkLeaks } from './diagnosis-stages.ts'
import { shooter } from './shoot.ts'

const [address, folder = new URL('../../build/screenshots/running/', import.meta.url).pathname] = process.argv.slice(2)
if (address === undefined || !URL.canParse(address)) throw new Error(`expected an address such as http://127.0.0.1:1234/?token=..., got ${address ?? 'nothing'}`)
mkdirSync(folder, { recursive: true })

const SIZES = [{ width: 900, height: 600 }, { width: 1280, height: 800 }, { width: 1920, height: 1080 }, { width: 2560, height: 1440 }] as const
const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)

const browser = await launchChromium()
try {
  const page = await browser.newPage({ viewport: SIZES[0] })
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') say(`the page complained: ${message.text()}`)
  })
  page.on('pageerror', (error) => say(`exception: ${error.message}`))
  await page.goto(address)
  // Signing in goes on to the page itself.
  await page.locator('.big-value').first().waitFor({ timeout: 30_000 })
  const pictures = shooter(page, { folder, sizes: SIZES, rest: SIZES[1], wide: (name, width, px) => void (px > 0 && say(`${name} at ${width} runs ${px} px out of the window sideways`)) })
  const shoot = async (name: string): Promise<void> => {
    await pictures(name)
    say(`picture ${name}`)
  }
  const stage = { page, shoot, say }
  await walkLeaks(stage)
  await walkDiagnosis(stage)
  await walkJournal(stage)
} finally {
  await browser.close()
}
say(`pictures are in ${folder}`)
