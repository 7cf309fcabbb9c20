import { setHelp, useFlow } from '../stores/flow.ts'
import { pages, type Page } from '../stores/route.ts'
import { Dialog } from './dialog.tsx'
import { letters } from './keys.ts'
import { pageTitles } from './rail.tsx'

const letterOf = (page: Page): string => Object.keys(letters).find((letter) => letters[letter] === page) ?? ''

const rows: readonly [readonly string[], string][] = [
  ...pages.map((page, i): [readonly string[], string] => [[...(i < 9 ? [String(i + 1)] : []), letterOf(page)], pageTitles[page]]),
  [['/'], 'Filter or search'],
  [['↑', '↓'], 'Move through the agents'],
  [['→', '←'], 'Open or close an agent’s processes'],
  [['Space'], 'Select the agent'],
  [['Shift S', 'Shift R'], 'Suspend or resume the selected agents, else this one'],
  [['Shift P'], 'Pin or unpin them'],
  [['Enter'], 'Details of the agent'],
  [['Esc'], 'Close what is open'],
  [['?'], 'This help'],
]

export const HelpDialog = () => {
  const open = useFlow((state) => state.help)
  return (
    <Dialog open={open} onClose={() => setHelp(false)} title="Keyboard" lead="Every figure can be asked where it comes from: press it.">
      <dl className="help">
        {rows.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
