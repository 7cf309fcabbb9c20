/** What is fuzzed, a line a target: native/fuzz/NAME.c, its seeds in native/fuzz/NAME-seeds, and the sources below it (paths below native/). */
import { coreSources, warmSources } from './native-programs.mjs'

/** `libs`: after the sources. `mostBytes`: longest input libFuzzer tries; by default the longest seed, at least 4 KiB. */
/** @typedef {{ name: string, sources: string[], libs?: string[], mostBytes?: number }} Target */

/** @type {Target[]} */
export const targets = [
  { name: 'guard', sources: ['request', 'journal', 'config', 'text', 'kernel-file', 'terminal', 'pressure'].map((name) => `privileged/guard/${name}.c`) },
  ...['core-chunk', 'core-table', 'core-sketch', 'core-policy'].map((name) => ({ name, sources: coreSources })),
  { name: 'broker-parse', sources: ['user/broker/parse.c'] },
  { name: 'warm-piece', sources: ['user/common/digest.c', ...warmSources], libs: ['-l:libzstd.a', '-l:libcrypto.a', '-pthread'] },
  { name: 'store-index', sources: ['index', 'replay', 'space', 'table'].map((name) => `user/store/${name}.c`) },
  { name: 'lib-replies', sources: ['user/lib/replies.c'] },
]
