import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** Installed as one file with its data beside it, or run from a checkout. */
const installed = existsSync(join(here, 'MANIFEST'))
const checkout = dirname(here)

/** The signatures that come with the program: root reads no others. */
export const builtInSignaturesPath = installed ? join(here, 'assets', 'agents.json') : join(checkout, 'assets', 'agents.json')

/** agentmem-reclaim of this very build. */
export const reclaimProgramPath = installed ? join(here, 'agentmem-reclaim') : join(checkout, 'build', 'native', 'agentmem-reclaim')

/** agentmem-guard of this very build. */
export const guardProgramPath = installed ? join(here, 'agentmem-guard') : join(checkout, 'build', 'native', 'agentmem-guard')

/** Tells agentmem.ko how short memory is. */
export const pressureProgramPath = installed ? join(here, 'agentmem-pressure') : join(checkout, 'build', 'native', 'agentmem-pressure')

/** Gives agentmem.ko its backing file. */
export const backingProgramPath = installed ? join(here, 'agentmem-backing') : join(checkout, 'build', 'native', 'agentmem-backing')

/** What agents' hooks run. */
export const hookProgramPath = installed ? join(here, 'agentmem-hook') : join(checkout, 'build', 'native', 'agentmem-hook')

/** The launcher. */
export const runProgramPath = installed ? join(here, 'agentmem-run') : join(checkout, 'build', 'native', 'agentmem-run')

/** Version of package.json, "unknown" where the installation is damaged. */
export const programVersion = (): string => {
  try {
    const found: unknown = JSON.parse(readFileSync(join(installed ? here : checkout, 'package.json'), 'utf8'))
    return typeof found === 'object' && found !== null && 'version' in found && typeof found.version === 'string' ? found.version : 'unknown'
  } catch {
    return 'unknown'
  }
}
