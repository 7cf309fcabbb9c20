import type { ProcessRef } from '../../helper/contract/agents.ts'

/** The process that a finding is about: "4711:99300" is one, and an agent's id ends with its first. Null where it is about something else. */
export const subjectProcess = (subject: string): ProcessRef | null => {
  const [, pid, startTimeTicks] = /^(?:[\da-f-]{36}:)?(\d{1,7}):(\d{1,15})$/u.exec(subject) ?? []
  return pid === undefined || startTimeTicks === undefined || Number(pid) < 1 ? null : { pid: Number(pid), startTimeTicks: Number(startTimeTicks) }
}
