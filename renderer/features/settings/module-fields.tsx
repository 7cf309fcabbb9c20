import { MODULE_COMPRESSORS, type KernelModuleSettings } from '../../../helper/contract/kernel-module.ts'
import { bytes, duration } from '../../format/format.ts'
import { choicesWith } from './choices.ts'
import { type FieldsProps, NumberRow, SelectRow, without } from './preset-rows.tsx'

const moduleModes = [
  { value: 'none', label: 'Leave as it is' },
  { value: 'load', label: 'Load' },
  { value: 'unload', label: 'Unload where nobody uses it' },
] as const
const backingModes = [
  { value: 'as-is', label: 'Leave as it is' },
  { value: 'none', label: 'None' },
  { value: 'file', label: 'Up to a size' },
] as const

const GB = 1024 ** 3
const DEFAULT_BACKING_GB = 4
const MINUTE = 60_000
const HOUR = 60 * MINUTE

type LimitKey = 'warmAfterMs' | 'coldAfterMs' | 'hotMostBytes' | 'warmMostBytes' | 'freeLeastBytes' | 'quotaBytes' | 'userMostBytes'
interface Limit {
  readonly key: LimitKey
  readonly label: string
  readonly hint: string
  readonly values: readonly number[]
  /** What 0 means; of ages and quotas there is none. */
  readonly zero?: string
}

/** Parameters that can be changed while it is loaded. */
const limits: readonly Limit[] = [
  { key: 'warmAfterMs', label: 'Compress after', hint: 'Not read for so long.', values: [1, 2, 5, 15, 60].map((minutes) => minutes * MINUTE) },
  { key: 'coldAfterMs', label: 'To the backing file after', hint: 'Sooner when memory is short.', values: [1, 12, 24, 48, 168].map((hours) => hours * HOUR) },
  { key: 'hotMostBytes', label: 'Plain in memory, at most', hint: 'Beyond it the least worth are compressed whatever their age.', values: [0, 1, 2, 4, 8].map((gigabytes) => gigabytes * GB), zero: 'No limit' },
  { key: 'warmMostBytes', label: 'Compressed in memory, at most', hint: 'Beyond it they go to the backing file whatever their age.', values: [0, 1, 2, 4, 8].map((gigabytes) => gigabytes * GB), zero: 'No limit' },
  { key: 'freeLeastBytes', label: 'Compress with less available than', hint: 'Whatever their age.', values: [0, 0.5, 1, 2, 4].map((gigabytes) => gigabytes * GB), zero: 'A 32nd of memory' },
  { key: 'quotaBytes', label: 'One agent may hold', hint: 'Plain bytes; more is refused.', values: [1, 4, 16, 64].map((gigabytes) => gigabytes * GB) },
  { key: 'userMostBytes', label: 'All agents of a user may hold', hint: 'Plain bytes; more is refused.', values: [4, 16, 64, 256].map((gigabytes) => gigabytes * GB) },
]
const AS_IS = 'as-is'

/** The same settings with this limit, or without it. */
const withLimit = (module: KernelModuleSettings, key: LimitKey, value: string): KernelModuleSettings => {
  const { [key]: _before, ...rest } = module
  return value === AS_IS ? rest : { ...rest, [key]: Number(value) }
}

const LimitRow = ({ limit: { key, label, hint, values, zero = '' }, module, onChange }: { limit: Limit; module: KernelModuleSettings; onChange: (module: KernelModuleSettings) => void }) => {
  const words = (value: number): string => (value === 0 ? zero : key.endsWith('Ms') ? duration(value) : bytes(value))
  const choices = values.map((value) => ({ value, label: words(value) }))
  const now = module[key]
  return (
    <SelectRow
      label={label}
      hint={hint}
      value={String(now ?? AS_IS)}
      options={[{ value: AS_IS, label: 'Leave as it is' }, ...choicesWith(choices, now ?? values[0] ?? 0, words(now ?? 0))]}
      onChange={(value) => onChange(withLimit(module, key, value))}
    />
  )
}

/** Loading, unloading and parameters of the kernel module. */
export const ModuleFields = ({ settings, onChange }: FieldsProps) => {
  const module = settings.kernelModule
  return (
    <>
      <SelectRow
        label="Kernel module (agentmem.ko)"
        hint="Keeps units of all agents in the kernel; code inside the kernel can stop the machine."
        value={module?.mode ?? 'none'}
        options={moduleModes}
        onChange={(value) => {
          const mode = moduleModes.find((entry) => entry.value === value)?.value ?? 'none'
          onChange(mode === 'none' ? without(settings, 'kernelModule') : { ...settings, kernelModule: mode === 'load' ? { ...module, mode } : { mode } })
        }}
      />
      {module?.mode === 'load' && (
        <SelectRow
          label="Compressor"
          hint="Given when it is loaded; one the kernel lacks compresses nothing."
          value={module.compressor ?? 'zstd'}
          options={MODULE_COMPRESSORS.map((name) => ({ value: name, label: name === 'none' ? 'None' : name }))}
          onChange={(value) => {
            const compressor = MODULE_COMPRESSORS.find((name) => name === value)
            if (compressor !== undefined) onChange({ ...settings, kernelModule: { ...module, compressor } })
          }}
        />
      )}
      {module?.mode === 'load' && (
        <SelectRow
          label="Backing file"
          hint="Where units go that nobody read for two days: a file without a name in /var/lib/agentmem. Compressed, not encrypted."
          value={module.backingBytes === undefined ? 'as-is' : module.backingBytes === 0 ? 'none' : 'file'}
          options={backingModes}
          onChange={(value) => {
            const { backingBytes, ...rest } = module
            onChange({ ...settings, kernelModule: value === 'as-is' ? rest : { ...rest, backingBytes: value === 'none' ? 0 : backingBytes || DEFAULT_BACKING_GB * GB } })
          }}
        />
      )}
      {module?.backingBytes !== undefined && module.backingBytes > 0 && (
        <NumberRow label="Size" hint="At most; it grows as it is written." unit="GB" min={1} max={1024} value={Math.round(module.backingBytes / GB)} onChange={(value) => onChange({ ...settings, kernelModule: { ...module, backingBytes: value * GB } })} />
      )}
      {module?.mode === 'load' && (
        <details className="module-limits">
          <summary>Its ages and limits</summary>
          {limits.map((limit) => (
            <LimitRow key={limit.key} limit={limit} module={module} onChange={(kernelModule) => onChange({ ...settings, kernelModule })} />
          ))}
        </details>
      )}
    </>
  )
}
