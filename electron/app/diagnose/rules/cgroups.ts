import type { CgroupEvidence, Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, often, percent, times } from '../../amounts.ts'
import { plural } from '../../report/format.ts'
import { above, figure, historyOf, is, rateHistoryOf } from '../figures.ts'
import { needsMeminfo, needsReading, needsSpan, type Need } from '../needs.ts'
import type { Offer, Rule } from '../rule.ts'
import { firstOf, lastOf, rateOf } from '../series.ts'
import { define } from './define.ts'
import { MB, percentOf, RATE_MS, recent, swapSize, totalOf } from './kit.ts'
import { advice, command, leaveIt, limitAgents, MACHINE, pageOutIdle, suspendIdle } from './offers.ts'

/** Groups of processes (cgroups): their limits, and what happens at them. */

const needsCgroups: Need = needsReading('cgroups with memory accounting', (look) => look.cgroups)
const groupsOf = (look: Evidence): readonly CgroupEvidence[] => look.cgroups.value ?? []
const sameGroup = (look: Evidence, path: string): CgroupEvidence | undefined => groupsOf(look).find((group) => group.path === path)

/** How people call it: the last part, "app-agents.slice" or "tmux-1.scope". */
const nameOf = (group: CgroupEvidence): string => group.path.split('/').findLast((part) => part !== '') ?? 'the root group'

const limitOf = (group: CgroupEvidence): { readonly bytes: number; readonly file: 'memory.high' | 'memory.max' } | null => {
  const high = group.highBytes.value
  const max = group.maxBytes.value
  if (high !== null && (max === null || high <= max)) return { bytes: high, file: 'memory.high' }
  return max === null ? null : { bytes: max, file: 'memory.max' }
}

/** Events of a group hold those of all below it: of a line of groups, the lowest is meant. */
const lowest = (groups: readonly CgroupEvidence[]): readonly CgroupEvidence[] =>
  groups.filter((group) => !groups.some((other) => other.path !== group.path && other.path.startsWith(group.path === '/' ? '/' : `${group.path}/`)))

const unitOf = (group: CgroupEvidence): string | null => {
  const name = nameOf(group)
  return /\.(?:service|scope|slice)$/u.test(name) ? name : null
}
const userFlag = (group: CgroupEvidence): string => (/\/user@\d+\.service\//u.test(group.path) ? '--user ' : '')

/** With room to spare, in whole MB. */
const quarterMore = (bytes: number): number => Math.ceil((bytes * 1.25) / MB) * MB

const raise = (group: CgroupEvidence, what: 'MemoryHigh' | 'MemoryMax', needBytes: number): Offer => {
  const unit = unitOf(group)
  const old = (what === 'MemoryHigh' ? group.highBytes : group.maxBytes).value
  const bytes = quarterMore(Math.max(needBytes, old ?? 0))
  const words = {
    id: 'raise-limit',
    title: `Raise its limit to ${amount(bytes)}`,
    what: `Gives ${nameOf(group)} room for what it needs.`,
    tradeOff: 'The rest of the machine has that much less to count on.',
    sideEffects: 'Holds until the group ends, or until the next restart.',
    scope: nameOf(group),
  }
  const quoted = `'${group.path.replaceAll('\'', String.raw`'\''`)}'`
  if (unit === null) return command(words, `echo ${bytes} | sudo tee /sys/fs/cgroup${quoted}/${what === 'MemoryHigh' ? 'memory.high' : 'memory.max'}`, true, `Write ${old ?? 'max'} into the same file.`)
  const sudo = userFlag(group) === '' ? 'sudo ' : ''
  return command(words, `${sudo}systemctl ${userFlag(group)}set-property --runtime '${unit}' ${what}=${bytes}`, sudo !== '', `${sudo}systemctl ${userFlag(group)}set-property --runtime '${unit}' ${what}=${old ?? 'infinity'}`)
}

const killed = (look: Evidence): string => {
  const last = look.kernelMessages.value?.findLast((message) => message.kind === 'cgroup-oom-kill')
  return last === undefined ? '' : ` The kernel's last words about it: "${last.text}".`
}

const oomKill = define({
  id: 'cgroups.oom-kill',
  topic: 'cgroups',
  title: 'A program was ended because its group reached its limit',
  needs: [needsCgroups],
  thresholds: { kills: 0 },
  because: 'Documentation/admin-guide/cgroup-v2.rst: memory.max is a hard limit; when usage cannot be reduced the OOM killer is invoked in the group (memory.events oom_kill), though the machine may have memory left.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const before = (group: CgroupEvidence): number => sameGroup(firstOf(looks), group.path)?.events['oom_kill'] ?? 0
    const kills = (group: CgroupEvidence): number => (looks.length > 1 ? Math.max(0, (group.events['oom_kill'] ?? 0) - before(group)) : 0)
    // Kills before the first look count where the group has a limit of its own: elsewhere another group's may be to blame.
    const since = (group: CgroupEvidence): number => (kills(group) > 0 || group.maxBytes.value === null ? kills(group) : (group.events['oom_kill'] ?? 0))
    return lowest(groupsOf(look).filter((group) => since(group) > limit.kills)).map((group) => {
      const max = group.maxBytes.value
      const watched = kills(group) > 0
      // What was ended wanted more than the limit, nobody knows how much: a little more would end it a little later.
      const need = Math.max(group.peakBytes.value ?? 0, group.currentBytes.value ?? 0, (max ?? 0) * 2)
      return {
        subject: group.path,
        severity: watched ? 'critical' : 'warning',
        title: `A program in ${nameOf(group)} was ended at its memory limit`,
        explanation: `${plural(since(group), 'program')} in the group ${nameOf(group)} ${since(group) === 1 ? 'was' : 'were'} ended by the kernel (an "OOM kill") ${watched ? 'while we watched' : 'since the group was made'}.${max === null ? '' : ` The group may hold ${amount(max)} and now holds ${amount(group.currentBytes.value ?? 0)}.`} This is the limit of the group, not of the machine, on which ${amount(look.meminfo['MemAvailable'] ?? 0)} are available: elsewhere the program would have gone on.${killed(look)}`,
        figures: [
          figure({ what: watched ? 'Programs ended since the first look' : 'Programs ended since the group was made', value: since(group), unit: 'count', source: `${group.path}/memory.events oom_kill`, threshold: above(limit.kills), history: historyOf(looks, (each) => sameGroup(each, group.path)?.events['oom_kill']) }),
          ...(max === null ? [] : [figure({ what: 'Limit of the group', value: max, unit: 'bytes' as const, source: `${group.path}/memory.max` })]),
          figure({ what: 'It holds now', value: group.currentBytes.value ?? 0, unit: 'bytes', source: `${group.path}/memory.current` }),
        ],
        solutions: [raise(group, 'MemoryMax', need), advice({
          id: 'high-before-max',
          title: 'Slow down before ending',
          what: 'Set memory.high (MemoryHigh=) somewhat below memory.max: at it the group\'s idle memory goes out and its programs are slowed down, and nothing is ended.',
          tradeOff: 'The group gets slow instead of losing a program.',
          sideEffects: 'Needs swap to be of use.',
          scope: nameOf(group),
        }), limitAgents()],
      }
    })
  },
  lookDeeper: ['ftrace.oom'],
})

const maxHits = define({
  id: 'cgroups.at-max',
  topic: 'cgroups',
  title: 'A group keeps running into its hard limit',
  needs: [needsSpan(RATE_MS), needsCgroups],
  thresholds: { hitsPerSecond: 1 },
  because: 'Documentation/admin-guide/cgroup-v2.rst: memory.events max counts how often usage "was about to go over the max boundary"; each time the program that asked must make room itself, and fails with an OOM kill when it cannot.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    const rate = (group: CgroupEvidence) => rateOf(last, (each) => sameGroup(each, group.path)?.events['max']).value?.perSecond ?? 0
    return lowest(groupsOf(look).filter((group) => group.maxBytes.value !== null && rate(group) > limit.hitsPerSecond)).map((group) => ({
      subject: group.path,
      severity: 'warning',
      title: `${nameOf(group)} keeps running into its hard limit`,
      explanation: `${nameOf(group)} may hold ${amount(group.maxBytes.value ?? 0)} and reached that ${often(rate(group))}. Each time one of its programs stops and throws out something of the group's: first its files, which it then reads again. It is slow, and the next step is that a program in it is ended.`,
      figures: [
        figure({ what: 'Times at the limit', value: rate(group), unit: 'per-second', source: `${group.path}/memory.events max`, threshold: above(limit.hitsPerSecond), history: rateHistoryOf(looks, (each) => sameGroup(each, group.path)?.events['max']) }),
        figure({ what: 'Limit', value: group.maxBytes.value ?? 0, unit: 'bytes', source: `${group.path}/memory.max` }),
      ],
      solutions: [raise(group, 'MemoryMax', group.currentBytes.value ?? 0), suspendIdle(), leaveIt('Leave it', 'The limit keeps the rest of the machine quick.', 'What is in the group stays slow, or is ended.')],
    }))
  },
  lookDeeper: ['ftrace.reclaim'],
})

const throttled = define({
  id: 'cgroups.throttled',
  topic: 'cgroups',
  title: 'A group is slowed down at its limit',
  needs: [needsSpan(RATE_MS), needsCgroups],
  thresholds: { hitsPerSecond: 1, somePercent: 10 },
  because: 'Documentation/admin-guide/cgroup-v2.rst: over memory.high "the processes of the cgroup are throttled and put under heavy reclaim pressure". That is meant now and then; with a tenth of the time lost it works hardly at all.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    const rate = (group: CgroupEvidence) => rateOf(last, (each) => sameGroup(each, group.path)?.events['high']).value?.perSecond ?? 0
    const lost = (group: CgroupEvidence): number => group.memoryPressure.value?.some.avg10Percent ?? 0
    return lowest(groupsOf(look).filter((group) => group.highBytes.value !== null && rate(group) > limit.hitsPerSecond && lost(group) > limit.somePercent)).map((group) => ({
      subject: group.path,
      severity: 'warning',
      title: `${nameOf(group)} is slowed down at its memory limit`,
      explanation: `${nameOf(group)} holds more than its limit of ${amount(group.highBytes.value ?? 0)} (memory.high). So the kernel pauses its programs and takes pages from them: in ${percent(lost(group))} of the time some program in it waits for memory. Others are not affected; that is what the limit is for.`,
      figures: [
        figure({ what: 'Time in which some of its programs wait', value: lost(group), unit: 'percent', source: `${group.path}/memory.pressure some avg10`, threshold: above(limit.somePercent) }),
        figure({ what: 'Times over the limit', value: rate(group), unit: 'per-second', source: `${group.path}/memory.events high`, threshold: above(limit.hitsPerSecond) }),
        figure({ what: 'Limit', value: group.highBytes.value ?? 0, unit: 'bytes', source: `${group.path}/memory.high` }),
      ],
      solutions: [raise(group, 'MemoryHigh', (group.currentBytes.value ?? 0) + (group.swapBytes.value ?? 0)), suspendIdle(), leaveIt('Leave it', 'The limit keeps the rest of the machine quick.', 'What is in the group stays slow.')],
    }))
  },
  lookDeeper: ['ftrace.reclaim'],
})

const limitTooLow = define({
  id: 'cgroups.limit-below-need',
  topic: 'cgroups',
  title: 'A limit is far below what the group needs',
  needs: [needsCgroups],
  thresholds: { needPercentOfLimit: 150 },
  because: 'What a group holds in memory and in swap together, against its limit. Swapped pages that are idle are fine; half again the limit means that a part of the working set must be outside.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return lowest(groupsOf(look).filter((group) => {
      const least = limitOf(group)
      return least !== null && least.bytes > 0 && group.agents > 0 && percentOf((group.currentBytes.value ?? 0) + (group.swapBytes.value ?? 0), least.bytes) > limit.needPercentOfLimit
    })).map((group) => {
      const least = limitOf(group)
      const need = (group.currentBytes.value ?? 0) + (group.swapBytes.value ?? 0)
      return {
        subject: group.path,
        severity: 'advice' as const,
        title: `The limit of ${nameOf(group)} is far below what it needs`,
        explanation: `${nameOf(group)} may hold ${amount(least?.bytes ?? 0)} in memory. Its programs hold ${amount(need)}: ${amount(group.currentBytes.value ?? 0)} there and ${amount(group.swapBytes.value ?? 0)} in swap. As soon as what is in it works again, its pages push each other out.`,
        figures: [
          figure({ what: 'Held, of the limit', value: percentOf(need, least?.bytes ?? 0), unit: 'percent', source: `${group.path}/memory.current + memory.swap.current`, threshold: above(limit.needPercentOfLimit) }),
          figure({ what: 'Limit', value: least?.bytes ?? 0, unit: 'bytes', source: `${group.path}/${least?.file ?? 'memory.max'}` }),
        ],
        solutions: [raise(group, least?.file === 'memory.high' ? 'MemoryHigh' : 'MemoryMax', need), limitAgents(), leaveIt('Leave it', 'Right where these agents mostly rest.', 'Waking one takes longer.')],
      }
    })
  },
  lookDeeper: [],
})

const oneScope = define({
  id: 'cgroups.one-scope',
  topic: 'cgroups',
  title: 'All agents are in one group',
  needs: [needsCgroups],
  thresholds: { agents: 3 },
  because: 'Limits, protection and systemd-oomd act on a whole group (cgroup-v2.rst, systemd-oomd.service(8)): with all agents, the terminal and its editors in one, nothing can be said about a single agent.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const all = look.agents.filter((agent) => agent.state !== 'gone').length
    return groupsOf(look).filter((group) => group.agents > limit.agents && group.agents === all).map((group) => ({
      subject: group.path,
      severity: 'advice',
      explanation: `All ${counted(group.agents)} agents run in ${nameOf(group)}, together with whatever else was started from that terminal. So none can be limited, protected or measured by itself, and should a service that ends groups when memory runs out (systemd-oomd) choose this one, all of them end at once.`,
      figures: [
        figure({ what: 'Agents in one group', value: group.agents, unit: 'count', source: '/proc/PID/cgroup', threshold: above(limit.agents) }),
        figure({ what: 'The group holds', value: group.currentBytes.value ?? 0, unit: 'bytes', source: `${group.path}/memory.current` }),
      ],
      solutions: [
        { id: 'own-groups', title: 'Give each agent a group of its own', what: 'In the settings, "Agents in groups of their own" moves new agents into one each.', tradeOff: 'None known; what an agent used before it was moved stays counted with the old group.', sideEffects: 'Terminals show them in another unit (systemd-cgls).', scope: 'New agents', undo: 'by-hand' as const, undoWords: 'Switch it off on the same page; running agents stay where they are.', act: { how: 'page' as const, page: 'settings' as const, rest: [] } },
        advice({ id: 'launch', title: 'Start them with the launcher', what: 'agentmemctl run -- claude starts an agent in a group of its own.', tradeOff: 'One more word to type, or an alias.', sideEffects: 'None known.', scope: 'The agents you start that way' }, 'Start the agent without it.'),
      ],
    }))
  },
  lookDeeper: [],
})

const dying = define({
  id: 'cgroups.dying',
  topic: 'cgroups',
  title: 'Removed groups still hold memory',
  needs: [needsCgroups],
  thresholds: { dying: 500 },
  because: 'Documentation/admin-guide/cgroup-v2.rst: a removed group stays ("dying") as long as pages are charged to it (cgroup.stat nr_dying_descendants). Each costs tens to hundreds of kB, and reclaim has to walk over all of them.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const root = groupsOf(look).toSorted((a, b) => b.dyingDescendants - a.dyingDescendants)[0]
    if (root === undefined || root.dyingDescendants <= limit.dying) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${counted(root.dyingDescendants)} groups of ended programs (services, containers, agents) cannot go because files they once read or made (tmpfs) are still in memory and counted with them. They take memory for their own bookkeeping, and make every search for free memory slower.`,
      figures: [figure({ what: 'Removed groups that remain', value: root.dyingDescendants, unit: 'count', source: `${root.path}/cgroup.stat nr_dying_descendants`, threshold: above(limit.dying), history: historyOf(looks, (each) => sameGroup(each, root.path)?.dyingDescendants) })],
      solutions: [
        { id: 'drop-cache', title: 'Drop cached files once', what: 'Without the files that hold them, the groups go.', tradeOff: 'Files are read from disk again: the next builds are slower.', sideEffects: 'Files in tmpfs stay, and groups held by them.', scope: MACHINE, undo: 'nothing-to-undo', undoWords: 'There is nothing to undo.', act: { how: 'preset', presetId: 'action-prune-cache-3', agentIds: null } },
        advice({ id: 'who-makes-them', title: 'Find who makes so many', what: 'A timer, a container that restarts, or a CI runner makes a group each time: journalctl -b | grep "Started" | sort | uniq -c | sort -n shows which.', tradeOff: 'Takes some looking.', sideEffects: 'None.', scope: MACHINE }),
      ],
    }]
  },
  lookDeeper: [],
})

const noSwap = define({
  id: 'cgroups.swap-forbidden',
  topic: 'cgroups',
  title: 'A group of agents may not use swap',
  needs: [needsCgroups],
  thresholds: { swapMaxBytes: 0 },
  because: 'Documentation/admin-guide/cgroup-v2.rst: at memory.swap.max "anonymous memory of the cgroup will not be swapped out"; 0 forbids it. Paging out, trimming and suspending then win nothing.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    if (swapSize(look) === 0) return []
    return groupsOf(look).filter((group) => group.agents > 0 && group.swapMaxBytes.value !== null && group.swapMaxBytes.value <= limit.swapMaxBytes).map((group) => ({
      subject: group.path,
      severity: 'warning',
      title: `${nameOf(group)} may not use swap`,
      explanation: `${nameOf(group)} has ${plural(group.agents, 'agent')} and a swap limit of ${amount(group.swapMaxBytes.value ?? 0)}. So nothing of theirs can be paged out, although the machine has ${amount(swapSize(look))} of swap: suspending them wins nothing.`,
      figures: [
        figure({ what: 'Swap the group may use', value: group.swapMaxBytes.value ?? 0, unit: 'bytes', source: `${group.path}/memory.swap.max`, threshold: is(limit.swapMaxBytes) }),
        figure({ what: 'It holds', value: group.currentBytes.value ?? 0, unit: 'bytes', source: `${group.path}/memory.current` }),
      ],
      solutions: [
        command({ id: 'allow-swap', title: 'Allow it', what: 'Takes the limit off.', tradeOff: 'Its memory may be in swap when it wakes.', sideEffects: 'Holds until the group ends.', scope: nameOf(group) }, `echo max | sudo tee '/sys/fs/cgroup${group.path.replaceAll('\'', '')}/memory.swap.max'`, true, `Write ${group.swapMaxBytes.value ?? 0} into the same file.`),
        advice({ id: 'container-swap', title: 'In a container: allow swap when it is started', what: 'docker run --memory-swap=-1, or for Kubernetes a node with swap and a LimitedSwap policy. Docker forbids swap when --memory-swap equals --memory.', tradeOff: 'The container must be started again.', sideEffects: 'None known.', scope: nameOf(group) }),
        pageOutIdle(),
      ],
    }))
  },
  lookDeeper: [],
})

const protectedTooMuch = define({
  id: 'cgroups.protected-too-much',
  topic: 'cgroups',
  title: 'Most memory is promised to groups, so little can be taken',
  needs: [needsCgroups, needsMeminfo('MemTotal')],
  thresholds: { percentOfMemory: 50 },
  because: 'Documentation/admin-guide/cgroup-v2.rst: memory below memory.low is not reclaimed while others have any; "putting more memory than generally available under this protection is discouraged".',
  find: (looks, limit) => {
    const look = lastOf(looks)
    // A protection counts only as far as all above grant it too: the largest of a level is what can be meant.
    const low = groupsOf(look).filter((group) => /^\/[^/]+$/u.test(group.path)).reduce((sum, group) => sum + (group.lowBytes.value ?? 0), 0)
    const share = percentOf(low, totalOf(look))
    if (share <= limit.percentOfMemory) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Groups are promised ${amount(low)} (memory.low), ${times(share / 100)} times the memory of the machine. What is promised is taken only when nothing else is left, so idle memory inside stays while everything outside is squeezed. Desktops (uresourced) and users protect what is in front; too much of it protects nothing.`,
      figures: [figure({ what: 'Promised, of memory', value: share, unit: 'percent', source: 'memory.low of the topmost groups', threshold: above(limit.percentOfMemory) })],
      solutions: [limitAgents(), advice({ id: 'lower-promises', title: 'Promise less', what: 'systemctl set-property --runtime UNIT MemoryLow=1G for the groups that have most; systemctl show -p MemoryLow UNIT says what it is.', tradeOff: 'What was protected may be paged out when it rests.', sideEffects: 'None known.', scope: MACHINE })],
    }]
  },
  lookDeeper: [],
})

export const cgroups: readonly Rule[] = [oomKill, maxHits, throttled, limitTooLow, oneScope, dying, noSwap, protectedTooMuch]
