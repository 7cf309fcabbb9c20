/** One event of a tracing instance. */
export interface TraceEvent {
  tid: number
  /** Of the instance's clock. */
  atUs: number
  name: string
  /** What stands behind the name: "order=0 gfp_flags=...". */
  rest: string
}

/** A line of the file `trace`; comments, headings and lines of another form give null. The name of a program may hold anything: the last number before the processor counts. */
export const parseEvent = (line: string): TraceEvent | null => {
  const found = /-(?<tid>\d+)\s+(?:\([\s\d-]+\)\s+)?\[\d+\]\s+\S+\s+(?<s>\d+)\.(?<us>\d{6}): (?<name>\w+): (?<rest>.*)$/u.exec(line)?.groups
  if (found === undefined) return null
  return { tid: Number(found['tid']), atUs: Number(found['s']) * 1_000_000 + Number(found['us']), name: found['name'] ?? '', rest: found['rest'] ?? '' }
}

/** How many events were written and how many of them are still there. */
export const eventCounts = (text: string): { kept: number; written: number } | null => {
  const found = /entries-in-buffer\/entries-written: (?<kept>\d+)\/(?<written>\d+)/u.exec(text)?.groups
  return found === undefined ? null : { kept: Number(found['kept']), written: Number(found['written']) }
}

/** A figure of an event by its name. */
export const figureOf = (rest: string, name: string): number | null => {
  const found = new RegExp(`(?:^|[\\s,])${name}=(-?\\d+)`, 'u').exec(rest)?.[1]
  return found === undefined ? null : Number(found)
}

/** A word of an event by its name. */
export const wordOf = (rest: string, name: string): string | null => new RegExp(`(?:^|[\\s,])${name}=([\\w|-]+)`, 'u').exec(rest)?.[1] ?? null
