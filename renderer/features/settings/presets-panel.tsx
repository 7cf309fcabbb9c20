import { Download, Plus, Upload } from 'lucide-react'
import { useRef, useState } from 'react'
import { isListed, type PresetView } from '../../../electron/contract/views.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import type { Preset } from '../../../helper/contract/presets.ts'
import { call, saveFile } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Panel, Skeleton } from '../../ui/page.tsx'
import { usePresets } from '../presets/use-presets.ts'
import { PresetEditor } from './preset-editor.tsx'

const BLANK: Preset = { version: 1, id: 'my-preset', title: 'My preset', description: '', settings: { reclaim: { minIdleMs: 300_000 } }, settleMs: 30_000, confirmMs: 60_000 }

/** A copy of a preset under a name that is free. */
const copyOf = (preset: Preset, taken: readonly string[]): Preset => {
  const base = `my-${preset.id}`.slice(0, 44)
  let id = base
  for (let n = 2; taken.includes(id); n += 1) id = `${base}-${n}`
  return { ...preset, id, title: `My ${preset.title.toLowerCase()}`.slice(0, 60) }
}

export const PresetsPanel = () => {
  const { data, error, reload } = usePresets()
  const [editing, setEditing] = useState<{ preset: Preset; isNew: boolean } | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  const file = useRef<HTMLInputElement>(null)
  const taken = (data?.presets ?? []).map(({ preset }) => preset.id)

  const exportPreset = async (id: string): Promise<void> => {
    setFailure(null)
    const answer = await call('presets.export', { id })
    if (answer.ok) saveFile(answer.value.fileName, 'application/json', answer.value.text)
    else setFailure(answer.error)
  }
  const importPreset = async (chosen: File | undefined): Promise<void> => {
    if (chosen === undefined) return
    setFailure(null)
    const answer = await call('presets.import', { text: await chosen.text() })
    if (!answer.ok) setFailure(answer.error)
  }
  const remove = async (id: string): Promise<void> => {
    setFailure(null)
    const answer = await call('presets.remove', { id })
    if (!answer.ok) setFailure(answer.error)
  }

  const items = ({ preset, builtIn }: PresetView) => [
    builtIn
      ? { id: 'copy', label: 'Copy and edit', onSelect: () => setEditing({ preset: copyOf(preset, taken), isNew: true }) }
      : { id: 'edit', label: 'Edit', onSelect: () => setEditing({ preset, isNew: false }) },
    { id: 'export', label: 'Export', icon: <Download aria-hidden="true" />, onSelect: () => void exportPreset(preset.id) },
    ...(builtIn ? [] : [{ id: 'remove', label: 'Remove', onSelect: () => void remove(preset.id) }]),
  ]

  return (
    <Panel
      title="Presets"
      aside={
        <div className="row">
          <Button size="s" icon={<Upload aria-hidden="true" />} onClick={() => file.current?.click()}>
            Import
          </Button>
          <Button size="s" icon={<Plus aria-hidden="true" />} onClick={() => setEditing({ preset: copyOf({ ...BLANK, id: 'preset', title: 'preset' }, taken), isNew: true })}>
            New
          </Button>
          <input
            ref={file}
            type="file"
            accept="application/json,.json"
            className="sr-only"
            tabIndex={-1}
            aria-label="Preset file to import"
            onChange={(event) => {
              void importPreset(event.target.files?.[0])
              event.target.value = ''
            }}
          />
        </div>
      }
    >
      <FailureNotice failure={failure ?? error} onRetry={reload} />
      {data?.problems.map((problem) => (
        <Notice key={problem} tone="problem" title="A preset file was not used">
          {problem}
        </Notice>
      ))}
      {data === null ? (
        error === null && <Skeleton lines={6} />
      ) : (
        <ul className="preset-rows">
          {data.presets.filter(isListed).map((entry) => (
            <li key={entry.preset.id}>
              <div>
                <p className="preset-name">
                  {entry.preset.title} {!entry.builtIn && <span className="tag">own</span>}
                </p>
                <p className="muted preset-text">{entry.preset.description}</p>
              </div>
              <Menu label="More" size="s" kind="quiet" items={items(entry)} />
            </li>
          ))}
        </ul>
      )}
      {editing !== null && <PresetEditor key={editing.preset.id} preset={editing.preset} isNew={editing.isNew} taken={taken} onClose={() => setEditing(null)} />}
    </Panel>
  )
}
