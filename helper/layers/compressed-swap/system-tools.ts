import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { readInteger } from '../../observe/files.ts'
import { moduleTools, type ModuleTools } from '../kernel-module/tools.ts'

/**
 * What only system calls or util-linux can do. Programs are started by
 * absolute path, with fixed arguments and environment, without a shell.
 */
export interface SystemTools {
  makeSwap(path: string): Promise<Result<null>>
  swapOn(path: string, priority: number): Promise<Result<null>>
  swapOff(path: string): Promise<Result<null>>
  /** Makes a zram device; the answer is its number. */
  zramAdd(): Promise<Result<number>>
  /** Gives the file its blocks, all of them: swap does not work on holes. */
  fillFile(path: string, sizeBytes: number): Promise<Result<null>>
  /** sync(2): unsaved data to disk. */
  sync(): Promise<Result<null>>
  /** agentmem.ko. */
  module: ModuleTools
}

const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/**
 * They end with the helper: one that went on by itself after a kill would
 * change swap behind the back of what recovers.
 */
const SETPRIV = '/usr/bin/setpriv'
const bound = (program: string, args: readonly string[]): [string, string[]] => (existsSync(SETPRIV) && existsSync(program) ? [SETPRIV, ['--pdeathsig', 'KILL', '--', program, ...args]] : [program, [...args]])

const start = (program: string, args: readonly string[], about: string): Promise<Result<null>> =>
  new Promise((resolve) => {
    execFile(...bound(program, args), { env: ENVIRONMENT, cwd: '/', windowsHide: true, maxBuffer: 64 * 1024 }, (error, _stdout, stderr) => {
      if (error === null) {
        resolve(ok(null))
        return
      }
      const text = stderr.trim().split('\n').at(-1) ?? ''
      if (error.code === 'ENOENT') {
        resolve(fail('not-supported', `${program} is not there.`, { about, advice: 'Install the package util-linux.' }))
      } else if (/No space left/iu.test(text)) {
        resolve(fail('disk-full', `There is not enough space on the disk for ${about}.`, { about, got: text }))
      } else if (/Cannot allocate memory/iu.test(text)) {
        resolve(fail('does-not-fit', `${about}: not enough memory is free.`, { about, got: text }))
      } else {
        resolve(fail('write-refused', `${program} failed for ${about}: ${text === '' ? error.message : text}`, { about, got: text }))
      }
    })
  })

export const systemTools: SystemTools = {
  makeSwap: (path) => start('/sbin/mkswap', ['--force', '--', path], path),
  swapOn: (path, priority) => start('/sbin/swapon', ['--priority', String(priority), '--', path], path),
  swapOff: (path) => start('/sbin/swapoff', ['--', path], path),
  zramAdd: async () => {
    // Reading this file is what makes the device.
    const id = readInteger('/sys/class/zram-control/hot_add')
    return id.value === null ? fail('not-supported', 'The kernel made no new zram device.', { about: '/sys/class/zram-control/hot_add', got: id.detail ?? id.reason }) : ok(id.value)
  },
  fillFile: (path, sizeBytes) => start('/usr/bin/fallocate', ['--length', String(sizeBytes), '--', path], path),
  sync: () => start('/bin/sync', [], 'sync'),
  module: moduleTools,
}
