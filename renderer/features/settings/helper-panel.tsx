import { CircleAlert, ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import type { HelperState, InstallPlan } from '../../../electron/contract/views.ts'
import { call } from '../../api.ts'
import { bytes } from '../../format/format.ts'
import { useCall, useSend } from '../../stores/data.ts'
import { Button } from '../../ui/button.tsx'
import { Command } from '../../ui/command.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Panel, Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'

const stateWords: Record<HelperState['system'], string> = {
  ready: 'Installed and ready',
  'not-installed': 'Not installed',
  'no-bus': 'This machine has no system bus',
  unreachable: 'Installed, does not answer',
  'too-old': 'Installed, but of another version',
}

const Files = ({ plan }: { plan: InstallPlan }) => (
  <Table label="Files" columns={['File', 'What', { head: 'Size', num: true }, { head: 'Mode', num: true }]}>
    {plan.files.map((file) => (
      <tr key={file.path}>
        <th scope="row">
          <code className="path">{file.path}</code>
        </th>
        <td>{file.what}</td>
        <td className="num">{bytes(file.sizeBytes)}</td>
        <td className="num">
          <code>{file.mode}</code>
        </td>
      </tr>
    ))}
  </Table>
)

/** Everything that installing writes and runs, before the button that does it. */
const InstallDialog = ({ again, onClose }: { again: boolean; onClose: () => void }) => {
  const plan = useCall('helper.install-plan', {})
  const { busy, error, send } = useSend()
  const { data } = plan
  const install = async (): Promise<void> => {
    if (data === null) return
    const answer = await send(call('helper.install', { scriptSha256: data.scriptSha256 }))
    if (answer.ok) onClose()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={again ? 'Install the helper again' : 'Install the helper'}
      lead="The helper runs as root, only while it is needed, and asks polkit about you before each kind of change. The app itself never runs as root."
      foot={
        <>
          <span className="grow">Your password will be asked for, once.</span>
          <Button onClick={onClose}>Not now</Button>
          <Button kind="primary" busy={busy} disabled={data === null || data.problem !== null} onClick={() => void install()}>
            Install
          </Button>
        </>
      }
    >
      <FailureNotice failure={error ?? plan.error ?? data?.problem ?? null} onRetry={plan.reload} />
      {data === null ? (
        plan.error === null && <Skeleton lines={8} />
      ) : (
        <>
          <section>
            <h3 className="plan-heading">These files will be written</h3>
            <Files plan={data} />
          </section>
          <section>
            <h3 className="plan-heading">By this script, run as root</h3>
            <pre className="command script" tabIndex={0}>
              <code>{data.script}</code>
            </pre>
            <p className="muted digest">
              SHA-256 <code className="path">{data.scriptSha256}</code>
            </p>
          </section>
          <section>
            <h3 className="plan-heading">Rather in a terminal?</h3>
            <Command text={data.command} />
          </section>
        </>
      )}
    </Dialog>
  )
}

const UninstallDialog = ({ onClose }: { onClose: () => void }) => {
  const plan = useCall('helper.install-plan', {})
  const { busy, error, send } = useSend()
  const uninstall = async (): Promise<void> => {
    const answer = await send(call('helper.uninstall', {}))
    if (answer.ok) onClose()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title="Uninstall the helper"
      lead="First every kept run is undone, so that all settings are back at their old values. Then these files are removed. Your history, presets and settings stay."
      foot={
        <>
          <span className="grow">Your password will be asked for.</span>
          <Button onClick={onClose}>Not now</Button>
          <Button kind="danger" busy={busy} onClick={() => void uninstall()}>
            Uninstall
          </Button>
        </>
      }
    >
      <FailureNotice failure={error} />
      {plan.data === null ? plan.error === null && <Skeleton lines={5} /> : plan.data.files.length > 0 && <Files plan={plan.data} />}
    </Dialog>
  )
}

export const HelperPanel = () => {
  const helper = useCall('helper.get', {}, ['helper'])
  const [open, setOpen] = useState<'install' | 'uninstall' | null>(null)
  const { data } = helper
  const installed = data !== null && (data.system === 'ready' || data.system === 'unreachable' || data.system === 'too-old')
  return (
    <Panel title="Helper">
      {data === null ? (
        helper.error === null ? <Skeleton lines={3} /> : <FailureNotice failure={helper.error} onRetry={helper.reload} />
      ) : (
        <div className="stack">
          <div className="helper-state">
            {data.system === 'ready' ? <ShieldCheck aria-hidden="true" className="gain" /> : <CircleAlert aria-hidden="true" />}
            <div>
              <p className="helper-title">
                {stateWords[data.system]}
                {data.systemVersion !== null && <span className="muted"> {data.systemVersion}</span>}
              </p>
              <p className="muted">{data.advice === '' ? 'Changes go through it, each authorised on its own. It ends when nothing is open.' : data.advice}</p>
            </div>
          </div>
          <div className="row">
            {data.system !== 'no-bus' && (data.system !== 'ready') && (
              <Button kind="primary" onClick={() => setOpen('install')}>
                {installed ? 'Install again…' : 'Install…'}
              </Button>
            )}
            {installed && <Button onClick={() => setOpen('uninstall')}>Uninstall…</Button>}
          </div>
        </div>
      )}
      {open === 'install' && <InstallDialog again={installed} onClose={() => setOpen(null)} />}
      {open === 'uninstall' && <UninstallDialog onClose={() => setOpen(null)} />}
    </Panel>
  )
}
