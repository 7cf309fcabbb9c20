import { z } from 'zod'

/** The user's settings.json. Unknown keys are kept out; a bad file is reported and left alone. */
export const settingsSchema = z.strictObject({
  version: z.literal(1),
  theme: z.enum(['system', 'light', 'dark']),
  /** Agents idle this long count as idle in Overview and in reclaim. */
  idleAfterMs: z.int().min(5_000).max(24 * 3600 * 1000),
  /** Leave one idle agent of each kind alone as a control when a preset is applied. */
  keepControl: z.boolean(),
  /** Days of history kept at most. */
  historyDays: z.int().min(1).max(365),
  /** Put command lines and folders into reports. */
  privateReports: z.boolean(),
  /** Show the tray icon and stay there when the window closes (Electron only). */
  tray: z.boolean(),
  startAtLogin: z.boolean(),
})
export type Settings = z.infer<typeof settingsSchema>

export const defaultSettings: Settings = {
  version: 1,
  theme: 'system',
  idleAfterMs: 60_000,
  keepControl: true,
  historyDays: 90,
  privateReports: false,
  tray: true,
  startAtLogin: false,
}
