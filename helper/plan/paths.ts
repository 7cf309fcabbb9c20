/** Kernel files the planner reads out of a probe; each layer declares the same ones as writable. */
export const KSM_FOLDER = '/sys/kernel/mm/ksm'
export const ksmPath = (name: 'run' | 'pages_to_scan' | 'sleep_millisecs' | 'advisor_mode' | 'smart_scan'): string =>
  `${KSM_FOLDER}/${name}`

export const ZSWAP_FOLDER = '/sys/module/zswap/parameters'
export const zswapPath = (name: 'enabled' | 'compressor' | 'max_pool_percent' | 'shrinker_enabled'): string =>
  `${ZSWAP_FOLDER}/${name}`

/** Where swap files of ours live; root only. */
export const SWAP_FOLDER = '/var/lib/agentmem/swap'

export const DROP_CACHES_PATH = '/proc/sys/vm/drop_caches'

/** What pages_to_scan becomes whenever the advisor is set to none (mm/ksm.c, DEFAULT_PAGES_TO_SCAN). */
export const KSM_DEFAULT_PAGES_TO_SCAN = '100'

/** Parameters of agentmem.ko that can be written while it is loaded, with the settings they come from. */
export const MODULE_WRITABLE = [
  { key: 'warmAfterMs', name: 'warm_after_ms' },
  { key: 'coldAfterMs', name: 'cold_after_ms' },
  { key: 'hotMostBytes', name: 'hot_most_bytes' },
  { key: 'warmMostBytes', name: 'warm_most_bytes' },
  { key: 'freeLeastBytes', name: 'free_least_bytes' },
  { key: 'quotaBytes', name: 'quota_bytes' },
  { key: 'userMostBytes', name: 'user_most_bytes' },
] as const
export const moduleParameterPath = (name: (typeof MODULE_WRITABLE)[number]['name'] | 'compressor'): string => `/sys/module/agentmem/parameters/${name}`
