import { CirclePause, HandHeart, Hand, Pin, PinOff, Play, Gauge, SquareArrowRightExit } from 'lucide-react'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { RegistryEntry } from '../../../helper/contract/lifecycle.ts'
import { PAGE_OUT_PRESET_ID } from '../../../helper/contract/presets.ts'
import { pin, resume } from '../../stores/acts.ts'
import { openAsking, openPreset } from '../../stores/flow.ts'
import type { MenuItem } from '../../ui/menu.tsx'

/** Everything that can be done with one agent beside suspending and resuming it. */
export const menuOf = (agent: Agent, entry: RegistryEntry | null, runOpen: boolean): MenuItem[] => [
  ...(agent.state === 'suspended'
    ? [{ id: 'resume', label: 'Resume', icon: <Play aria-hidden="true" />, onSelect: () => resume([agent.id]) }]
    : [{ id: 'suspend', label: 'Suspend…', icon: <CirclePause aria-hidden="true" />, onSelect: () => openAsking({ of: 'suspend', ids: [agent.id] }) }]),
  entry?.pinned === true
    ? { id: 'pin', label: 'Unpin', icon: <PinOff aria-hidden="true" />, onSelect: () => void pin([agent.id], false) }
    : { id: 'pin', label: 'Pin', hint: 'Never suspend it', icon: <Pin aria-hidden="true" />, onSelect: () => void pin([agent.id], true) },
  { id: 'limit', label: 'Limit…', hint: 'How much memory it may use', icon: <Gauge aria-hidden="true" />, onSelect: () => openAsking({ of: 'limit', id: agent.id }) },
  { id: 'protect', label: 'Protect…', hint: 'Which agents stay longest when memory is short', icon: <HandHeart aria-hidden="true" />, onSelect: () => openAsking({ of: 'protect', id: agent.id }) },
  ...(agent.state === 'suspended' ? [] : [{ id: 'free', label: 'Ask to free memory…', icon: <Hand aria-hidden="true" />, onSelect: () => openAsking({ of: 'free', id: agent.id }) }]),
  ...(runOpen || agent.state === 'suspended' ? [] : [{ id: 'page-out', label: 'Page out…', hint: 'Move its pages out once and let it run', icon: <SquareArrowRightExit aria-hidden="true" />, onSelect: () => openPreset(PAGE_OUT_PRESET_ID, [agent.id]) }]),
]
