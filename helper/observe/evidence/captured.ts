import { join } from 'node:path'
import { z } from 'zod'
import { readText } from '../files.ts'

/**
 * What a captured tree cannot hold as files of the kernel: answers of system
 * calls and clocks. `captured.json` at its root; see helper/test/machines/README.md.
 */
const schema = z.strictObject({
  version: z.literal(1),
  takenAtMs: z.number(),
  monotonicMs: z.number(),
  pageBytes: z.int().min(1),
  /** Captured by root. */
  privileged: z.boolean(),
  /** statfs of memory file systems, by folder. */
  fileSystems: z.record(z.string(), z.strictObject({ usedBytes: z.int().min(0), sizeBytes: z.int().min(0) })),
  /** Bytes of the memory files a process has open, by pid. */
  memoryFiles: z.record(z.string(), z.int().min(0)),
})
export type Captured = z.infer<typeof schema>

export const CAPTURED_FILE = 'captured.json'

/** Of a captured tree; one without the file answers with nothing known. */
export const readCaptured = (root: string): Captured => {
  const text = readText(join(root, CAPTURED_FILE)).value
  const nothing: Captured = { version: 1, takenAtMs: 0, monotonicMs: 0, pageBytes: 4096, privileged: false, fileSystems: {}, memoryFiles: {} }
  return text === null ? nothing : schema.parse(JSON.parse(text))
}
