import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from '../../contract/channels.ts'
import type { Diagnosis } from '../../contract/diagnosis.ts'

/** Over a longer time several looks are taken: a leak is told from a start by more than two. */
const STEP_MS = 15_000

/** Looks again for so long, or until one says enough; the last answer. */
export const lookAgain = async (first: Answer<'diagnosis.get'>, ask: () => Promise<Answer<'diagnosis.get'>>, forMs: number, isEnough: (diagnosis: Diagnosis) => boolean = () => false): Promise<Answer<'diagnosis.get'>> => {
  let answer = first
  for (let leftMs = forMs; leftMs > 0 && answer.ok && !isEnough(answer.value); leftMs -= STEP_MS) {
    await sleep(Math.min(leftMs, STEP_MS))
    answer = await ask()
  }
  return answer
}
