import { describe, expect, test } from 'vitest'
import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { known, missing } from '../../../../helper/contract/known.ts'
import { healthyLooks } from '../testing/healthy.ts'
import { swap, sysctl } from '../testing/edit.ts'
import { fit } from './fit.ts'
import { beginEarlier, endUnneeded, leaveIt, pageOutIdle, preferCompressedSwap, suspendIdle, tunable } from './offers.ts'

const ids = (look: Evidence, ...offers: Parameters<typeof fit>[1]): string[] => fit(look, offers).map((offer) => offer.id)
const leave = leaveIt('Leave it', 'Nothing.', 'None.')
const words = { id: 'x', title: 'x', what: 'x', tradeOff: 'x', sideEffects: 'x' }

describe('ways to act', () => {
  test('with agents only where there are any, and two always remain', () => {
    const [look] = healthyLooks()
    expect(ids(look, pageOutIdle(), suspendIdle(), endUnneeded())).toEqual(['page-out-idle', 'suspend-idle', 'end-unneeded'])
    look.agents = []
    expect(ids(look, pageOutIdle(), suspendIdle(), endUnneeded())).toEqual(['less-at-once', 'leave-it'])
  })

  test('paging out only where there is swap and somebody idle', () => {
    const looks = healthyLooks()
    for (const agent of looks[0].agents) agent.state = 'active'
    expect(ids(looks[0], pageOutIdle(), suspendIdle(), leave)).toEqual(['suspend-idle', 'leave-it'])
    const noSwap = healthyLooks()
    swap(noSwap, [])
    expect(ids(noSwap[0], pageOutIdle(), suspendIdle(), leave)).toEqual(['suspend-idle', 'leave-it'])
  })

  test('settings only where the kernel has them, and they would change something', () => {
    const [look] = healthyLooks()
    const rest = [leave, suspendIdle()] as const
    expect(ids(look, tunable(words, { lruMinTtlMs: 1000 }), ...rest)).toEqual(['leave-it', 'suspend-idle'])
    look.mm['/sys/kernel/mm/lru_gen/min_ttl_ms'] = known('0')
    expect(ids(look, tunable(words, { lruMinTtlMs: 1000 }), ...rest)).toEqual(['x', 'leave-it', 'suspend-idle'])
    expect(ids(look, tunable(words, { swappiness: 60 }), ...rest)).toEqual(['leave-it', 'suspend-idle'])
    expect(ids(look, tunable(words, { transparentHugePages: 'madvise' }), ...rest)).toEqual(['leave-it', 'suspend-idle'])
    expect(ids(look, tunable(words, { transparentHugePages: 'never' }), ...rest)).toEqual(['x', 'leave-it', 'suspend-idle'])
    expect(ids(look, preferCompressedSwap(60), ...rest)).toEqual(['prefer-swap', 'leave-it', 'suspend-idle'])
    look.kernelVersion = [5, 7]
    expect(ids(look, preferCompressedSwap(60), ...rest)).toEqual(['leave-it', 'suspend-idle'])
    look.sysctl['/proc/sys/vm/min_free_kbytes'] = missing('not-permitted')
    expect(ids(look, tunable(words, { minFreeBytes: 1024 ** 3 }), ...rest)).toEqual(['leave-it', 'suspend-idle'])
  })

  test('a reserve that is large enough is not raised', () => {
    const looks = healthyLooks()
    sysctl(looks, 'watermark_scale_factor', 10)
    expect(ids(looks[0], beginEarlier(looks[0]), leave, suspendIdle())).toEqual(['begin-earlier', 'leave-it', 'suspend-idle'])
    expect(beginEarlier(looks[0]).act).toEqual({ how: 'try-run', settings: { tunables: { watermarkScaleFactor: 100 } } })
    // A small machine: a quarter of its reserve hides what the factor says, and 100 would change next to nothing.
    for (const zone of looks[0].zones) Object.assign(zone, { minPages: zone.managedPages * 0.04, lowPages: zone.managedPages * 0.05 })
    const managed = looks[0].zones.reduce((sum, zone) => sum + zone.managedPages * looks[0].pageBytes, 0)
    looks[0].meminfo['MemTotal'] = managed
    expect(beginEarlier(looks[0]).act).toEqual({ how: 'try-run', settings: { tunables: { watermarkScaleFactor: 300 } } })
    sysctl(looks, 'watermark_scale_factor', 800)
    expect(ids(looks[0], beginEarlier(looks[0]), leave, suspendIdle())).toEqual(['leave-it', 'suspend-idle'])
  })
})
