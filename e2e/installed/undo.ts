import { ensureUser, removeUser, type FleetUser } from '../fixtures/fleet/ground.ts'

/** What a place has made of the machine, to be unmade in reverse. */
export interface UndoList {
  readonly push: (step: () => unknown) => void
  /** An ordinary user, removed at the end; one of that name is used where there is one. */
  readonly user: (name: string) => Promise<FleetUser>
  /** Every step is tried; what failed is thrown together. */
  readonly run: () => Promise<void>
}

export const undoList = (): UndoList => {
  const steps: (() => unknown)[] = []
  return {
    push: (step) => void steps.push(step),
    user: async (name) => {
      const user = await ensureUser(name)
      steps.push(() => removeUser(user))
      return user
    },
    run: async () => {
      const problems: unknown[] = []
      for (const step of steps.splice(0).toReversed()) {
        try {
          await step()
        } catch (error) {
          problems.push(error)
        }
      }
      if (problems.length > 0) throw new AggregateError(problems, problems.map(String).join('\n'))
    },
  }
}
