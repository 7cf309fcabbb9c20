/** The C programs and libraries: what each is made of. Paths are below native/. */
import { nodeHeaders } from './node-headers.mjs'

/** `plain`: what is tested with, not what is tested; sanitizers would add terabytes of shadow areas. */
/** `shared`: loaded into other programs, which have no sanitizers. */
/** `instrumented`: but this one is, for tests that load the sanitizer's library first. */
/** `alone`: without shared libraries, which would be locked memory too. */
/** `threads`: built once more for ThreadSanitizer. */
/** `libs`: after the sources; archives, so that an installed program needs nothing beside it. `map`: of the symbols a library shows. */
/** `alias`: a link beside it, by which loaders look for a library. */
/** @typedef {{ name: string, sources: string[], plain?: boolean, shared?: boolean, instrumented?: boolean, alone?: boolean, threads?: boolean, libs?: string[], flags?: string[], map?: string, alias?: string }} Program */

const guardSources = [...['agents', 'agents-hold', 'agents-wake', 'agents-watch', 'base', 'bring', 'config', 'journal', 'kernel-file', 'lock', 'main', 'prefault', 'pressure', 'request', 'runs', 'runs-replay', 'runs-undo', 'server', 'terminal', 'terminal-file', 'text', 'watch', 'words']
  .map((name) => `privileged/guard/${name}.c`), 'user/common/start-ticks.c']

/** The freestanding core, for the sources of whoever stands on it. */
export const coreSources = ['chunk', 'gear', 'policy', 'sketch', 'sketch-index', 'table', 'victims'].map((name) => `../kmod/core/${name}.c`)

const libNames = [
  'broker', 'broker-alloc', 'broker-call', 'broker-connect', 'broker-known', 'broker-look', 'broker-map', 'broker-read', 'broker-restore', 'calls', 'connection', 'error', 'fork', 'held',
  'host', 'maps', 'memfd', 'module', 'module-list', 'module-look', 'module-map', 'module-units', 'open', 'private', 'private-add', 'private-look', 'private-map', 'private-text', 'replies', 'start', 'start-program', 'wish',
]
/** libagentmem as sources, for programs that are tested with it inside. */
export const libSources = [...libNames.map((name) => `user/lib/${name}.c`), 'user/common/digest.c', 'user/common/host.c', '../kmod/core/table.c']
/** What these stand on. */
export const libLibs = ['-l:libcrypto.a', '-pthread']

const frontSources = ['agents', 'client', 'closer', 'config', 'confine', 'domains', 'front', 'look', 'main', 'maps', 'parse', 'pending', 'place', 'process', 'processes', 'receive', 'saved', 'serve', 'source'].map((name) => `user/broker/${name}.c`)
/** The broker's front with plain memory behind it. */
const brokerDoubleSources = [...frontSources, 'user/broker/bus.c', ...['content-double', 'content-double-look', 'content-double-records', 'content-double-units'].map((name) => `test/${name}.c`), 'user/common/digest.c', 'user/common/host.c', '../kmod/core/policy.c']
const brokerDoubleLibs = ['-l:libcrypto.a', '-pthread']

/** The cold tier, with what it stands on. */
export const storeSources = [...['batch', 'commit', 'data', 'files', 'index', 'lane', 'open', 'owner', 'replay', 'rewrite', 'space', 'store', 'table'].map((name) => `user/store/${name}.c`), 'user/common/digest.c']
export const storeLibs = ['-l:libcrypto.a', '-l:liburing.a', '-pthread']

const nodeSources = ['addon', 'agent', 'area', 'bytes', 'handle', 'look', 'owned', 'unit', 'values', 'work'].map((name) => `user/node/${name}.c`)
/** Never unloaded: the library's state is the process's, and a worker thread that ends must not take it away. @type {Program} */
const nodeAddon = {
  name: 'agentmem.node', sources: [...nodeSources, ...libSources], shared: true, instrumented: true, threads: true, libs: libLibs, map: 'user/node/addon.map',
  flags: ['-isystem', nodeHeaders, '-Wl,-z,nodelete', '-Wl,--exclude-libs,ALL'],
}

/** The warm tier; stands on user/common/digest.c and -l:libzstd.a. */
export const warmSources = ['alike', 'arena', 'contexts', 'dictionary', 'learn', 'pack', 'save', 'unpack', 'warm'].map((name) => `user/warm/${name}.c`)

const contentParts = ['add', 'ask', 'away', 'blocks', 'bodies', 'build', 'change', 'change-cut', 'change-tail', 'cold', 'commit', 'fill', 'fork', 'holders', 'keepers', 'load', 'manifest', 'map', 'memory', 'ops', 'pack', 'pressure', 'read', 'small', 'stats', 'tail', 'tiers', 'units', 'workers']
/** What the broker keeps, with all tiers below it. */
export const contentSources = ['user/broker/bus.c', 'user/common/host.c', 'user/common/pressure.c', ...['content', ...contentParts.map((name) => `content-${name}`)].map((name) => `user/broker/${name}.c`), ...storeSources, ...warmSources, ...coreSources]
export const contentLibs = ['-l:libzstd.a', ...storeLibs]

/** What is loaded into unmodified programs to share what they read. */
const shareSources = [...['share', 'share-broker', 'share-guard', 'share-heap', 'share-look', 'share-malloc', 'share-merge', 'share-read', 'share-swap'].map((name) => `user/preload/${name}.c`), 'user/common/digest.c']

/** @type {Program[]} */
export const programs = [
  { name: 'agentmem-guard', sources: guardSources, alone: true },
  { name: 'agentmem-reclaim', sources: ['privileged/reclaim/main.c', 'privileged/reclaim/target.c', 'privileged/reclaim/areas.c', 'privileged/reclaim/scan.c', 'privileged/reclaim/list.c', 'privileged/reclaim/advise.c', 'user/common/start-ticks.c'] },
  { name: 'agentmem-pressure', sources: ['privileged/pressure/main.c', 'user/common/pressure.c'] },
  { name: 'agentmem-backing', sources: ['privileged/backing/main.c'] },
  { name: 'agentmem-run', sources: ['user/run/main.c'] },
  { name: 'agentmem-hook', sources: ['user/hook/main.c'] },
  { name: 'agentmem-broker', sources: [...frontSources, ...contentSources], libs: contentLibs, threads: true },
  { name: 'libagentmem.so', sources: libSources, shared: true, libs: libLibs, map: 'user/lib/libagentmem.map', flags: ['-Wl,-soname,libagentmem.so.1', '-Wl,--exclude-libs,ALL'], alias: 'libagentmem.so.1' },
  nodeAddon,
  { name: 'agentmem-trim.so', sources: ['user/preload/trim.c'], shared: true },
  // It defines malloc: the compiler must not put calloc in the place of malloc and memset.
  { name: 'agentmem-share.so', sources: shareSources, shared: true, flags: ['-fno-builtin'], libs: ['-l:libcrypto.a'], map: 'user/preload/share.map' },
]

/** @type {Program[]} */
export const testPrograms = [
  { name: 'test-lib', sources: [...['calls', 'impostor', 'kit', 'lives', 'lost', 'main', 'module', 'races', 'wrong'].map((name) => `test/lib-${name}.c`), ...libSources], libs: libLibs, threads: true },
  { name: 'test-guard-parts', sources: ['test/guard-parts.c', ...['config', 'journal', 'kernel-file', 'prefault', 'pressure', 'terminal', 'text'].map((name) => `privileged/guard/${name}.c`), 'user/common/start-ticks.c'] },
  { name: 'guard-subject', sources: ['test/guard-subject.c'], plain: true },
  { name: 'guard-hostile', sources: ['test/guard-hostile.c'], plain: true },
  { name: 'test-pressure', sources: ['test/pressure.c', 'user/common/pressure.c'] },
  { name: 'test-parsers', sources: ['test/parsers.c', 'privileged/reclaim/areas.c', 'user/common/start-ticks.c'] },
  { name: 'test-subject', sources: ['test/subject.c'], plain: true },
  { name: 'agentmem-share-checked.so', sources: shareSources, shared: true, flags: ['-fno-builtin', '-fsanitize=undefined', '-fsanitize-undefined-trap-on-error'], libs: ['-l:libcrypto.a'], map: 'user/preload/share.map' },
  { name: 'shim-broker', sources: ['test/shim-broker.c', 'user/common/digest.c'], plain: true, libs: ['-l:libcrypto.a'] },
  { name: 'shim-subject', sources: ['test/shim-subject.c', 'test/shim-subject-pages.c', 'test/shim-subject-threads.c'], plain: true, flags: ['-pthread'] },
  { ...nodeAddon, name: 'agentmem-refuse.node', sources: ['test/node-refuse.c', ...nodeAddon.sources], flags: [...(nodeAddon.flags ?? []), '-Dnapi_create_external_arraybuffer=no_external_arraybuffer'], threads: false },
  { name: 'refuse-merge', sources: ['test/refuse-merge.c'], plain: true },
  { name: 'test-core-chunk', sources: ['test/core-chunk.c', '../kmod/core/chunk.c', '../kmod/core/gear.c'] },
  { name: 'test-core-sketch', sources: ['test/core-sketch.c', '../kmod/core/sketch-index.c', '../kmod/core/gear.c'] },
  { name: 'test-core-table', sources: ['test/core-table.c'] },
  { name: 'test-core-readers', sources: ['test/core-readers.c', '../kmod/core/table.c'], threads: true, libs: ['-pthread'] },
  { name: 'test-core-policy', sources: ['test/core-policy.c', '../kmod/core/policy.c', '../kmod/core/victims.c'] },
  { name: 'test-module-abi', sources: ['test/module-abi.c'] },
  { name: 'broker-double', sources: brokerDoubleSources, libs: brokerDoubleLibs, threads: true },
  { name: 'broker-raw', sources: [...['broker-raw', 'broker-kit', 'broker-again', 'broker-crowd', 'broker-descriptors', 'broker-hostile', 'broker-lists', 'broker-lives', 'broker-requests', 'broker-rights', 'broker-wrong'].map((name) => `test/${name}.c`), 'user/common/digest.c'], libs: brokerDoubleLibs, threads: true },
  // The same with smaller chunks: all paths with less data.
  { name: 'test-content', sources: [...['content', 'content-crash', 'content-functions', 'content-held', 'content-model', 'content-model-acts', 'content-model-checks', 'content-model-data', 'content-model-flights'].map((name) => `test/${name}.c`), ...contentSources], libs: contentLibs, threads: true, flags: ['-DCONTENT_SMALL'] },
  { name: 'test-broker-parts', sources: ['test/broker-parts.c', ...['bus', 'confine', 'domains', 'maps', 'parse'].map((name) => `user/broker/${name}.c`), 'user/common/digest.c'], libs: brokerDoubleLibs, threads: true },
  { name: 'test-store', sources: [...['between', 'errors', 'image', 'kit', 'main', 'model', 'parts', 'power', 'tears', 'threads', 'world'].map((name) => `test/store-${name}.c`), ...storeSources], libs: storeLibs, threads: true },
  { name: 'units-chaos', sources: ['test/units-chaos.c', 'test/units-chaos-client.c', ...libSources], libs: libLibs, threads: true },
  ...['parts', 'pool', 'dictionaries', 'threads'].map((name) => ({ name: `test-warm-${name}`, sources: [`test/warm-${name}.c`, 'test/warm-kit.c', 'user/common/digest.c', ...warmSources], libs: ['-l:libzstd.a', '-l:libcrypto.a', '-pthread'], threads: name === 'threads' })),
]

/** Conversations made from a seed; stands on -l:libzstd.a. */
const corpusSources = ['corpus', 'corpus-check', 'corpus-files', 'corpus-words'].map((name) => `bench/${name}.c`)
const benchParts = ['bench/bench.c', ...corpusSources, ...libSources]
const benchLibs = ['-l:libzstd.a', ...libLibs]

/** @type {Program[]} */
export const benchPrograms = [
  { name: 'bench-core', sources: ['bench/core.c', 'bench/bench.c', 'user/common/host.c', 'user/lib/error.c', ...coreSources] },
  { name: 'bench-units', sources: ['bench/units.c', 'bench/units-processes.c', ...benchParts], libs: benchLibs },
  { name: 'bench-load', sources: ['bench/load.c', ...benchParts], libs: benchLibs },
  { name: 'bench-store', sources: ['bench/store.c', ...storeSources], libs: storeLibs },
  { name: 'bench-warm', sources: ['bench/warm.c', 'bench/warm-line.c', 'bench/bench.c', ...corpusSources, 'user/lib/error.c', 'user/common/digest.c', 'user/common/host.c', ...warmSources, ...coreSources], libs: benchLibs },
  { name: 'bench-kmod', sources: [...['kmod', 'kmod-calls', 'kmod-cold', 'kmod-evict', 'kmod-talks', 'bench'].map((name) => `bench/${name}.c`), ...libSources], libs: libLibs },
  { name: 'bench-kmod-corpus', sources: ['bench/kmod-corpus.c', 'bench/bench.c', ...corpusSources, 'user/lib/error.c'], libs: ['-l:libzstd.a'] },
  { name: 'bench-hundred', sources: ['bench/hundred.c', ...benchParts], libs: benchLibs },
]
