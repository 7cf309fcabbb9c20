import { setHelp, useFlow } from '../stores/flow.ts'
import { Dialog } from './dialog.tsx'

const rows: readonly [readonly string[], string][] = [
  [['1', 'o'], 'Overview'],
  [['2', 'a'], 'Agents'],
  [['3', 'r'], 'Leftovers'],
  [['4', 'f'], 'Fixes'],
  [['5', 'l'], 'Layers'],
  [['6', 'c'], 'Compare'],
  [['7', 'h'], 'History'],
  [['8', 's'], 'Settings'],
  [['/'], 'Filter the agents'],
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
