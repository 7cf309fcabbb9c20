import type { KsmState } from '../contract/snapshot.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { parseChoice, readInteger, readText, under } from './files.ts'

export const KSM_FOLDER = '/sys/kernel/mm/ksm'

/** Kernel same-page merging; missing as a whole where the kernel was built without it. */
export const readKsm = (root: string): Reading<KsmState> => {
  const file = (name: string): string => under(root, `${KSM_FOLDER}/${name}`)
  const run = readInteger(file('run'))
  if (run.value === null) return run
  const needed = ['pages_to_scan', 'sleep_millisecs', 'pages_shared', 'pages_sharing', 'full_scans'].map((name) => readInteger(file(name)))
  const values = needed.map((reading) => reading.value)
  const [pagesToScan, sleepMs, pagesShared, pagesSharing, fullScans] = values
  for (const reading of needed) if (reading.value === null) return reading
  const advisor = readText(file('advisor_mode'))
  const smartScan = readInteger(file('smart_scan'))
  return known({
    run: run.value,
    pagesToScan: pagesToScan ?? 0,
    sleepMs: sleepMs ?? 0,
    pagesShared: pagesShared ?? 0,
    pagesSharing: pagesSharing ?? 0,
    fullScans: fullScans ?? 0,
    pagesScanned: readInteger(file('pages_scanned')),
    generalProfitBytes: readInteger(file('general_profit')),
    advisorMode: advisor.value === null ? advisor : chosen(advisor.value),
    smartScan: smartScan.value === null ? smartScan : known(smartScan.value !== 0),
  })
}

const chosen = (text: string): Reading<string> => {
  const word = parseChoice(text).chosen
  return word === null ? missing('malformed', `advisor_mode: expected one [word], got "${text.trim().slice(0, 40)}"`) : known(word)
}
