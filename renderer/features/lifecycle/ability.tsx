import type { Ability } from '../../../helper/contract/lifecycle.ts'
import { closeAsking } from '../../stores/flow.ts'
import { go, useRoute } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { Command } from '../../ui/command.tsx'
import { Notice } from '../../ui/notice.tsx'

/** A command that the text names at its end, as in "or run: agentmemctl install". */
const commandIn = (text: string): { said: string; command: string | null } => {
  const match = /^(?<said>.*?)(?:,? or run| run): (?<command>[^\n]+?)\.?$/su.exec(text)
  return match?.groups === undefined ? { said: text, command: null } : { said: `${match.groups['said'] ?? ''}.`.replace(/\.\.$/u, '.'), command: match.groups['command'] ?? null }
}

/** What is missing for something that cannot be done here, and the command for it. Nothing where it can. */
export const AbilityNotice = ({ ability, title }: { ability: Ability; title: string }) => {
  const page = useRoute((state) => state.page)
  if (ability.how !== null) return null
  const { said, command } = commandIn(ability.text)
  const target = /swap/iu.test(said) ? 'layers' : /helper/iu.test(said) ? 'settings' : null
  return (
    <Notice
      tone="info"
      title={title}
      actions={
        target === null || target === page ? undefined : (
          <Button
            size="s"
            onClick={() => {
              closeAsking()
              go(target)
            }}
          >
            Open {target === 'layers' ? 'Layers' : 'Settings'}
          </Button>
        )
      }
    >
      {said}
      {command !== null && <Command text={command} />}
    </Notice>
  )
}
