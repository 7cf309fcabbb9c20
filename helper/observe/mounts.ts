import { readText, under, unescapeOctal } from './files.ts'

export interface Mount { readonly folder: string; readonly type: string; readonly options: readonly string[] }

/** /proc/mounts; names are escaped as in /proc/swaps. */
export const parseMounts = (text: string): Mount[] =>
  text.split('\n').flatMap((line): Mount[] => {
    const [, folder, type, options] = line.split(' ')
    if (folder === undefined || type === undefined) return []
    return [{ folder: unescapeOctal(folder), type, options: (options ?? '').split(',') }]
  })

export const readMounts = (root: string): Mount[] => {
  const text = readText(under(root, '/proc/mounts'))
  return text.value === null ? [] : parseMounts(text.value)
}

/** The mount that holds a path: the longest folder in front of it, of equals the last one, which hides the others. */
export const mountOf = (mounts: readonly Mount[], path: string): Mount | null => {
  let best: Mount | null = null
  for (const mount of mounts) {
    const inside = mount.folder === '/' || path === mount.folder || path.startsWith(`${mount.folder}/`)
    if (inside && (best === null || mount.folder.length >= best.folder.length)) best = mount
  }
  return best
}
