import { CircleAlert, Info, Lightbulb, OctagonAlert, type LucideIcon } from 'lucide-react'
import type { ProcessRef } from '../../../helper/contract/agents.ts'
import type { KernelFeature, Severity, Topic } from '../../../electron/contract/diagnosis.ts'

/** Told apart by shape and word; the colour only repeats it. */
export const severities: Readonly<Record<Severity, { word: string; heading: string; icon: LucideIcon }>> = {
  critical: { word: 'Critical', heading: 'Now', icon: OctagonAlert },
  warning: { word: 'Warning', heading: 'Soon', icon: CircleAlert },
  advice: { word: 'Advice', heading: 'Could be better', icon: Lightbulb },
  information: { word: 'To know', heading: 'Good to know', icon: Info },
}
export const severityOrder = ['critical', 'warning', 'advice', 'information'] as const satisfies readonly Severity[]

export const topicWords: Readonly<Record<Topic, string>> = {
  pressure: 'Memory pressure',
  swap: 'Swap',
  'page-cache': 'File cache',
  fragmentation: 'Fragmentation',
  'huge-pages': 'Huge pages',
  ksm: 'Merging of equal pages',
  slab: 'Memory of the kernel',
  cgroups: 'Groups and limits',
  numa: 'Memory nodes',
  'virtual-memory': 'Virtual memory',
  'memory-files': 'Files in memory',
  agents: 'Agents',
  rivals: 'Other tuners',
  leaks: 'Leaks',
  hardening: 'Protection',
  'did-not-fall': 'Did not fall',
}

export const featureStates: Readonly<Record<KernelFeature['state'], { word: string; tone: string }>> = {
  here: { word: 'Here', tone: 'tag-gain' },
  off: { word: 'Turned off', tone: 'tag-idle' },
  'not-built': { word: 'Not built in', tone: 'tag-idle' },
  'too-old': { word: 'Kernel too old', tone: 'tag-idle' },
  unknown: { word: 'Not known', tone: '' },
}

/** "4711:99300": a process and its start. */
export const processOf = (subject: string): ProcessRef | null => {
  const [, pid, startTimeTicks] = /^(\d+):(\d+)$/u.exec(subject) ?? []
  return pid === undefined || startTimeTicks === undefined ? null : { pid: Number(pid), startTimeTicks: Number(startTimeTicks) }
}

const AGENT_ID = /^[\da-f-]{36}:\d+:\d+$/u

/** What a finding is about, for people; empty where its title says it. */
export const subjectWords = (subject: string, nameOf: (agentId: string) => string): string => {
  const process = processOf(subject)
  if (process !== null) return `process ${process.pid}`
  return AGENT_ID.test(subject) ? nameOf(subject) : subject
}
