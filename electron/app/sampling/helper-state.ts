import type { Failure } from '../../../helper/contract/errors.ts'
import type { HelperState } from '../../contract/views.ts'
import type { SystemState } from '../helper-client/system-client.ts'

const systemAdvice: Record<HelperState['system'], string> = {
  ready: '',
  'not-installed': 'The helper is not installed: everything can be looked at, presets show what they would do. Install it in Settings to apply them.',
  'no-bus': 'This machine has no system message bus, so the helper cannot be reached: presets show what they would do.',
  unreachable: 'The helper does not answer: presets show what they would do. Look at "systemctl status agentmem" or install it again in Settings.',
  'too-old': 'The installed helper and this app are of different versions. Install the helper again in Settings.',
}

/** Both helpers in one state with the sentence for the user; the session's problem comes first, since without it nothing is seen. */
export const helperState = (system: SystemState, session: HelperState['session'], problem: Failure | null): HelperState => {
  const sentences = [
    session === 'unreachable' ? [problem?.message ?? 'The part that finds your agents is not running.', problem?.advice ?? ''] : session === 'starting' ? ['Looking for your agents...'] : [],
    [systemAdvice[system.system]],
  ]
  return { ...system, session, advice: sentences.flat().filter((text) => text !== '').join(' ') }
}
