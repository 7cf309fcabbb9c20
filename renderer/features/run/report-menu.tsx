import { Download } from 'lucide-react'
import { useState } from 'react'
import type { Request } from '../../../electron/contract/channels.ts'
import type { ReportFormat } from '../../../electron/contract/views.ts'
import { call, saveFile } from '../../api.ts'
import { useSend } from '../../stores/data.ts'
import { useSettings } from '../../stores/settings.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Menu, MenuSwitch } from '../../ui/menu.tsx'

const formats: readonly { id: ReportFormat; label: string; hint: string }[] = [
  { id: 'html', label: 'HTML', hint: 'One file with its charts, for a browser' },
  { id: 'pdf', label: 'PDF', hint: 'To send or to print' },
  { id: 'csv', label: 'CSV', hint: 'The tables, for a spreadsheet' },
  { id: 'json', label: 'JSON', hint: 'Everything, for a program' },
  { id: 'md', label: 'Markdown', hint: 'For an issue or a wiki' },
]

const decode = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))

/** Saves a report; folders and command lines are in it only when asked for. */
export const ReportMenu = ({ subject }: { subject: Request<'report.make'>['subject'] }) => {
  const preset = useSettings((state) => state.settings?.privateReports ?? false)
  const [chosen, setChosen] = useState<boolean | null>(null)
  const { busy, error, send } = useSend()
  const privately = chosen ?? preset
  const make = async (format: ReportFormat): Promise<void> => {
    const answer = await send(call('report.make', { subject, format, private: privately }))
    if (answer.ok) saveFile(answer.value.fileName, answer.value.mediaType, decode(answer.value.base64))
  }
  return (
    <>
      <Menu
        label="Report"
        busy={busy}
        icon={<Download aria-hidden="true" />}
        items={formats.map((format) => ({ ...format, onSelect: () => void make(format.id) }))}
        top={<MenuSwitch checked={privately} onChange={setChosen} label="Include private data: folders and command lines" />}
      />
      <FailureNotice failure={error} />
    </>
  )
}
