import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { projectDir, startPolkitd, startPrivateSystemBus, type PrivateSystemBus, type Running } from './world.ts'

export interface InstalledHelper {
  readonly bus: PrivateSystemBus
  /** Where the bundle was installed. */
  readonly place: string
  readonly stateDir: string
  /** The launcher that lets the kernel merge a program's memory. */
  readonly launcher: readonly string[]
  /** Process of the helper as the bus knows it; null while none runs. Asking starts none. */
  pid(): Promise<number | null>
  /** State of a run as the helper last wrote it down. */
  state(runId: string): Promise<string | null>
  /** Kills polkitd, and starts another, as the bus would. */
  crashPolkitd(): Promise<void>
  /** What the helpers said, one after the other. */
  log(): Promise<string>
  /** As an administrator does it: whatever is still suspended, limited or changed is given back first. Answers with what the script said. */
  uninstall(): Promise<string>
  /** Ends helper, polkitd and bus, and uninstalls. */
  stop(): Promise<void>
}

/**
 * The bundle as the installer puts it, below a folder of its own, on a system
 * bus of its own which starts it as root when somebody calls; and a polkitd
 * with the policy that was installed.
 */
export const installHelper = async (rules: string, { idleExitSeconds = 120 }: { idleExitSeconds?: number } = {}): Promise<InstalledHelper> => {
  const place = await mkdtemp('/var/tmp/agentmem-installed-')
  await chmod(place, 0o755) // its launcher is for everyone
  const stateDir = join(place, 'var/lib/agentmem')
  const services = join(place, 'services')
  const logFile = join(place, 'helper.log')
  let bus: PrivateSystemBus | null = null
  let polkit: Running | null = null
  const env = { ...process.env, DESTDIR: place, KERNEL_ROOT: '/' }
  const policies = [join(place, 'usr/share/polkit-1/actions/org.agentmem.policy')]
  const pid = async (): Promise<number | null> => {
    if (bus === null) return null
    const asked = await runCommand('dbus-send', [`--bus=${bus.address}`, '--print-reply=literal', '--dest=org.freedesktop.DBus', '/', 'org.freedesktop.DBus.GetConnectionUnixProcessID', 'string:org.agentmem.Helper1']).catch(() => '')
    const found = /uint32 (\d+)/u.exec(asked)?.[1]
    return found === undefined ? null : Number(found)
  }
  let installedNow = false
  const uninstall = async (): Promise<string> => {
    if (!installedNow) return ''
    const left = await pid()
    if (left !== null) {
      process.kill(left, 'SIGTERM')
      for (let turn = 0; turn < 100 && (await pid()) !== null; turn += 1) await new Promise((resolve) => { setTimeout(resolve, 100) })
    }
    // Gives back what a failed test left changed: refuses to remove anything otherwise.
    const said = await runCommand('sh', [join(place, 'usr/lib/agentmem/install.sh'), 'uninstall'], { env })
    installedNow = false
    return said
  }
  const stop = async (): Promise<void> => {
    await uninstall()
    await polkit?.stop()
    await bus?.stop()
    await rm(place, { recursive: true, force: true })
  }
  await mkdir(services, { recursive: true })
  await runCommand(process.execPath, [join(projectDir, 'tools/helper-bundle.mjs')])
  const bundle = join(projectDir, 'build/helper')
  const digest = createHash('sha256').update(await readFile(join(bundle, 'MANIFEST'))).digest('hex')
  await runCommand('sh', [join(bundle, 'install.sh'), 'install', bundle, digest], { env })
  installedNow = true
  try {
    const extra = join(place, 'services.conf')
    await writeFile(extra, `<busconfig><servicedir>${services}</servicedir></busconfig>\n`)
    bus = await startPrivateSystemBus([extra])
    const { address } = bus
    // The installed file, with the folder it was installed below put before its paths.
    const installed = await readFile(join(place, 'usr/share/dbus-1/system-services/org.agentmem.Helper1.service'), 'utf8')
    const exec = (command: string): string => `Exec=/bin/sh -c "exec ${command} --bus ${address} --state-dir ${stateDir} --idle-exit-seconds ${idleExitSeconds} 2>>${logFile}"`
    const moved = installed.replaceAll('/usr/lib/agentmem/', `${place}/usr/lib/agentmem/`).replace(/^Exec=(.*)$/mu, (_line, command: string) => exec(command))
    await writeFile(join(services, 'org.agentmem.Helper1.service'), moved)
    await runCommand('dbus-send', [`--bus=${bus.address}`, '--print-reply', '--dest=org.freedesktop.DBus', '/', 'org.freedesktop.DBus.ReloadConfig'])
    polkit = await startPolkitd(bus, rules, policies)
  } catch (error) {
    await stop()
    throw error
  }
  const running = bus
  const crashPolkitd = async (): Promise<void> => {
    await polkit?.stop('SIGKILL')
    polkit = await startPolkitd(running, rules, policies)
  }
  return { bus, place, stateDir, crashPolkitd, uninstall, launcher: [join(place, 'usr/lib/agentmem/agentmem-run'), '--'], pid, state: (runId) => stateOf(stateDir, runId), log: () => readFile(logFile, 'utf8').catch(() => ''), stop }
}

const stateOf = async (stateDir: string, runId: string): Promise<string | null> => {
  const text = await readFile(join(stateDir, 'runs', `${runId}.json`), 'utf8').catch(() => null)
  // Renamed into place, so it is either absent or whole.
  return text === null ? null : (JSON.parse(text) as { state: string }).state
}
