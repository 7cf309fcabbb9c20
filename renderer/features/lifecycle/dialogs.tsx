import { useState } from 'react'
import type { Response } from '../../../electron/contract/channels.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import { call } from '../../api.ts'
import { megabytes } from '../../format/format.ts'
import { useSend } from '../../stores/data.ts'
import { closeAsking, useFlow } from '../../stores/flow.ts'
import { useEntry, useFleet } from '../../stores/lifecycle.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Figure } from '../../ui/figure.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Table } from '../../ui/table.tsx'
import { LimitForm } from './limit-form.tsx'
import { ProtectForm } from './protect-form.tsx'
import { ActDialog, SuspendDialog } from './suspend-dialog.tsx'
import { nameOf } from './words.ts'
import './lifecycle.css'

const LimitDialog = ({ agent }: { agent: Agent }) => {
  const entry = useEntry(agent.id)
  return (
    <Dialog open onClose={closeAsking} title={`Limit ${nameOf(agent)}`} lead="How much memory this agent and all it starts may use.">
      <LimitForm key={entry?.limit?.setAtMs ?? 0} id={agent.id} present={entry?.limit ?? null} usedBytes={agent.cost.pssBytes} />
    </Dialog>
  )
}

const ProtectDialog = ({ agent }: { agent: Agent }) => {
  const entry = useEntry(agent.id)
  return (
    <Dialog open onClose={closeAsking} title={`Protect ${nameOf(agent)}`}>
      {entry === null ? (
        <Notice tone="info" title="Nothing is known of it yet">
          The session helper has not said so far; try again in a moment.
        </Notice>
      ) : (
        <ProtectForm entry={entry} name={nameOf(agent)} />
      )}
    </Dialog>
  )
}

const howWords = { 'v8-inspector': 'through its inspector', hook: 'through its hook', 'malloc-trim': 'through its allocator', none: '' } as const

const FreeDialog = ({ agent }: { agent: Agent }) => {
  const { busy, error, send } = useSend()
  const [asked, setAsked] = useState<Response<'agents.ask-to-free'>['asked'] | null>(null)
  const label = (pid: number): string => agent.processes.find((process) => process.pid === pid)?.label ?? 'process'
  const won = (asked ?? []).reduce((sum, entry) => sum + (entry.beforeBytes.value === null || entry.afterBytes.value === null ? 0 : entry.beforeBytes.value - entry.afterBytes.value), 0)
  const ask = async (): Promise<void> => {
    const answer = await send(call('agents.ask-to-free', { id: agent.id }))
    if (answer.ok) setAsked(answer.value.asked)
  }
  return (
    <Dialog
      open
      onClose={closeAsking}
      title={`Ask ${nameOf(agent)} to free memory`}
      lead="Where its processes offer a way, they collect their garbage and hand memory back. The agent keeps running and loses nothing."
      foot={
        asked === null ? (
          <>
            <span className="grow" />
            <Button onClick={closeAsking}>Not now</Button>
            <Button kind="primary" busy={busy} onClick={() => void ask()}>
              Ask
            </Button>
          </>
        ) : (
          <Button kind="primary" onClick={closeAsking}>
            Done
          </Button>
        )
      }
    >
      <FailureNotice failure={error} onRetry={() => void ask()} />
      {asked === null ? (
        <p className="muted">
          {agent.processes.length === 1 ? 'One process is asked.' : `${agent.processes.length} processes are asked.`} It can take some seconds.
        </p>
      ) : (
        <>
          <Notice tone={won > 0 ? 'gain' : 'info'} title={won > 0 ? `${megabytes(won)} MB came back` : 'Nothing came back'} />
          <Table label="What each process gave" columns={['Process', { head: 'Before, MB', num: true }, { head: 'After, MB', num: true }, 'What happened']}>
            {asked.map((entry) => (
              <tr key={entry.pid}>
                <th scope="row">
                  {label(entry.pid)} <span className="muted">{entry.pid}</span>
                </th>
                <td className="num"><Figure reading={entry.beforeBytes} format={megabytes} /></td>
                <td className="num"><Figure reading={entry.afterBytes} format={megabytes} /></td>
                <td title={howWords[entry.how]}>{entry.text}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
    </Dialog>
  )
}

/** The dialog about agents that is open, if any. */
export const AgentDialogs = () => {
  const asking = useFlow((state) => state.asking)
  const fleet = useFleet()
  if (asking === null) return null
  if (asking.of === 'suspend') return <SuspendDialog key={asking.ids.join(' ')} ids={asking.ids} />
  if (asking.of === 'act') return <ActDialog />
  const agent = fleet.find(({ id }) => id === asking.id)
  if (agent === undefined)
    return (
      <Dialog open onClose={closeAsking} title="The agent has ended">
        <p>There is nothing left to change.</p>
      </Dialog>
    )
  if (asking.of === 'limit') return <LimitDialog agent={agent} />
  if (asking.of === 'protect') return <ProtectDialog agent={agent} />
  return <FreeDialog agent={agent} />
}
