import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { KernelFeature } from '../../contract/diagnosis.ts'

/** What was seen of a feature: there and on, there and off; null where nothing was seen of it. */
export type Seen = { readonly on: boolean; readonly evidence: string } | null

export interface FeatureFacts {
  readonly id: string
  readonly title: string
  /** "5.19": the first release with it. */
  readonly since: `${number}.${number}`
  readonly changes: KernelFeature['changes']
  /** The option it is built with, CONFIG_ and all; null where it cannot be left out. */
  readonly option: string | null
  /** Looks for the thing itself, which outweighs every version: distributions carry features back. */
  readonly see: (look: Evidence) => Seen
  /** Where the option alone does not tell: what else it needs, and lacks here. */
  readonly lacks?: (look: Evidence) => string | null
  readonly instead: string
  readonly source: string
  /** Those of its versions that were held against a source; the others are as the releases are remembered. */
  readonly checked: readonly string[]
}

const version = (since: string): readonly [number, number] => {
  const [major, minor] = since.split('.').map(Number)
  return [major ?? 0, minor ?? 0]
}

const older = (look: Evidence, since: string): boolean => {
  const [major, minor] = version(since)
  const [has, hasMinor] = look.kernelVersion
  return has < major || (has === major && hasMinor < minor)
}

/** What a feature is on the machine of this look. */
export const stateOf = (look: Evidence, facts: Pick<FeatureFacts, 'since' | 'option' | 'see' | 'lacks'>): Pick<KernelFeature, 'state' | 'evidence'> => {
  const seen = facts.see(look)
  if (seen !== null) return { state: seen.on ? 'here' : 'off', evidence: seen.evidence }
  const here = `Linux ${look.kernelVersion.join('.')}`
  if (older(look, facts.since)) return { state: 'too-old', evidence: here }
  const { option } = facts
  const config = look.config.value
  if (option !== null && config !== null && config[option] === undefined) return { state: 'not-built', evidence: `${option} is not set` }
  const lacking = facts.lacks?.(look) ?? null
  if (lacking !== null) return { state: 'off', evidence: lacking }
  if (option !== null && config === null) return { state: 'unknown', evidence: `${here}; its config cannot be read, ${option} may be set or not` }
  return { state: 'here', evidence: option === null ? here : `${here}, ${option}=${config?.[option] ?? ''}` }
}

/** A file that says yes or no, or how much. */
export const fileSays = (kind: 'mm' | 'sysctl', path: string, on: (text: string) => boolean = () => true) => (look: Evidence): Seen => {
  const text = look[kind][path]?.value
  return text === null || text === undefined ? null : { on: on(text), evidence: `${path}: ${text}` }
}

export const nothingSeen = (): Seen => null

/** Files of cgroup v2 are there for nobody whose memory is accounted in v1. */
export const lacksCgroup2 = (look: Evidence): string | null =>
  look.cgroups.value === null ? (look.cgroups.detail ?? 'memory is not accounted in a cgroup v2 hierarchy') : null
