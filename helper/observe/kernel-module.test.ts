import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { builtModule, fakeFiles, layOut, moduleFiles } from '../change/testing/fake-tree.ts'
import { kernelModuleSchema, moduleObstacleIdSchema } from '../contract/kernel-module.ts'
import { readKernelModule } from './kernel-module.ts'
import { layerStatus } from './layer-status.ts'
import { readProbe } from './probe.ts'

const RELEASE = '6.18.0-test'
const FOLDER = `/lib/modules/${RELEASE}`
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-module-'))
  layOut(root)
  layOut(root, { '/proc/modules': '' })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const read = () => kernelModuleSchema.parse(readKernelModule(root, RELEASE))
const obstacle = (): string | null => read().obstacle?.id ?? null
const sources = { '/usr/src/agentmem-0.1.0/dkms.conf': '' }
const dkms = { '/usr/sbin/dkms': '' }
const headers = { [`${FOLDER}/build/Makefile`]: '' }
/** As a linker leaves .modinfo, with what DKMS appends where it signs. */
const ko = (release: string, signed: boolean): string => `\u007fELF...\0license=GPL\0version=0.1.0\0vermagic=${release} SMP preempt mod_unload \0...${signed ? 'sum~Module signature appended~\n' : ''}`
const withFile = (text: string | Buffer, name = 'agentmem.ko'): void => {
  layOut(root, { [`${FOLDER}/modules.dep`]: `kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz\nupdates/dkms/${name}:\n`, [`${FOLDER}/updates/dkms/${name}`]: '' })
  writeFileSync(join(root, FOLDER, 'updates/dkms', name), text)
}
const locked = { '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' }

describe('what stands against loading, first things first', () => {
  test('a kernel that loads none', () => {
    rmSync(join(root, '/proc/modules'))
    expect(obstacle()).toBe('no-modules')
  })

  test('a kernel that is too old', () => {
    expect(readKernelModule(root, '5.15.0-1-amd64').obstacle).toMatchObject({ id: 'too-old', message: expect.stringContaining('5.15.0-1-amd64') })
  })

  test('what is missing is told one by one, each with its command', () => {
    expect(obstacle()).toBe('no-sources')
    layOut(root, sources)
    expect(read().obstacle).toMatchObject({ id: 'no-dkms', advice: expect.stringContaining(`linux-headers-${RELEASE}`) })
    layOut(root, dkms)
    expect(read().obstacle).toMatchObject({ id: 'no-headers', advice: `sudo apt install linux-headers-${RELEASE}, then sudo dkms install agentmem/0.1.0 -k ${RELEASE}` })
    layOut(root, headers)
    expect(obstacle()).toBe('not-built')
    layOut(root, { '/lib/modules/6.1.0-9-amd64/updates/dkms/agentmem.ko.xz': '' })
    expect(read().obstacle).toMatchObject({ id: 'other-kernel', message: expect.stringContaining('6.1.0-9-amd64') })
    layOut(root, builtModule)
    expect(read()).toMatchObject({ loaded: false, obstacle: null, file: `${FOLDER}/updates/dkms/agentmem.ko.xz` })
  })

  test.each([
    ['/etc/modprobe.d/no.conf', 'blacklist agentmem\n'],
    ['/usr/lib/modprobe.d/no.conf', '# why\ninstall agentmem /bin/false\n'],
    ['/proc/cmdline', 'quiet module_blacklist=nouveau,agentmem splash\n'],
  ])('an administrator forbade it in %s', (path, text) => {
    layOut(root, builtModule)
    layOut(root, { '/etc/modprobe.d/others.conf': 'blacklist agentmemory\ninstall agentmem-tools /bin/true\n', [path]: text })
    expect(obstacle()).toBe('blacklisted')
  })

  test('loading was switched off', () => {
    layOut(root, { ...builtModule, '/proc/sys/kernel/modules_disabled': '1\n' })
    expect(obstacle()).toBe('modules-disabled')
  })

  test.each([['plain', (text: string) => Buffer.from(text, 'latin1'), 'agentmem.ko'], ['gzip', (text: string) => gzipSync(Buffer.from(text, 'latin1')), 'agentmem.ko.gz'], ['zstd', (text: string) => zstdCompressSync(Buffer.from(text, 'latin1')), 'agentmem.ko.zst']] as const)('it was made for another kernel (%s)', (_, pack, name) => {
    withFile(pack(ko(RELEASE, false)), name)
    expect(read()).toMatchObject({ obstacle: null, version: '0.1.0' })
    withFile(pack(ko('6.17.0-test', false)), name)
    expect(read().obstacle).toMatchObject({ id: 'wrong-kernel', message: expect.stringContaining('6.17.0-test') })
  })

  test('Secure Boot: unsigned, signed by nobody trusted, signed by somebody trusted', () => {
    layOut(root, locked)
    layOut(root, { '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': '\u0006\0\0\0\u0001' })
    withFile(ko(RELEASE, false))
    expect(read().obstacle).toMatchObject({ id: 'unsigned', message: expect.stringContaining('Secure Boot') })
    withFile(ko(RELEASE, true))
    expect(obstacle()).toBeNull()
    const list = '/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23'
    layOut(root, { '/var/lib/dkms/mok.pub': 'our certificate', [list]: 'somebody else' })
    expect(read().obstacle).toMatchObject({ id: 'key-not-enrolled', advice: expect.stringContaining('mokutil --import /var/lib/dkms/mok.pub') })
    layOut(root, { [list]: 'somebody else, our certificate, more' })
    expect(obstacle()).toBeNull()
  })

  test('lockdown and sig_enforce without Secure Boot refuse it as well; without either it need not be signed', () => {
    withFile(ko(RELEASE, false))
    layOut(root, { '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n' })
    expect(obstacle()).toBeNull()
    layOut(root, locked)
    expect(read().obstacle).toMatchObject({ id: 'unsigned', message: expect.stringContaining('locked down (integrity)') })
    layOut(root, { '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n', '/sys/module/module/parameters/sig_enforce': 'Y\n' })
    expect(read().obstacle).toMatchObject({ id: 'unsigned', message: expect.stringContaining('sig_enforce') })
  })

  test('every reason there is was looked for above', () => {
    expect(moduleObstacleIdSchema.options.toSorted()).toEqual(['blacklisted', 'key-not-enrolled', 'modules-disabled', 'no-dkms', 'no-headers', 'no-modules', 'no-sources', 'not-built', 'other-kernel', 'too-old', 'unsigned', 'wrong-kernel'])
  })
})

describe('a loaded module', () => {
  const status = () => layerStatus(readProbe(root)).find(({ id }) => id === 'kernel-module')

  test('says its version, who has it open, and what it holds', () => {
    layOut(root, moduleFiles('zstd'))
    layOut(root, { '/sys/module/agentmem/refcnt': '3\n', '/proc/agent_stats': `agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes idle_ms name domain\n1 42 1000 active 50 2 1000 0 0 1000 7 claude -\ntotal agents 1 units 2 bytes ${300 * 1024 ** 2} contents 2 content_bytes 1000 hot_bytes ${40 * 1024 ** 2} warm_bytes ${10 * 1024 ** 2} compressor zstd-scomp\n` })
    expect(read()).toMatchObject({ loaded: true, version: '0.1.0', users: 3, obstacle: null, stats: { agents: [{ name: 'claude', pid: 42 }] } })
    expect(status()).toMatchObject({ state: 'on', savesBytes: { value: 250 * 1024 ** 2 }, summary: expect.stringContaining('zstd-scomp') })
  })

  test('may not say what it holds, and is loaded all the same', () => {
    layOut(root, { ...moduleFiles('zstd'), '/proc/agent_stats': 'something new\n' })
    expect(read()).toMatchObject({ loaded: true, stats: null })
    expect(status()).toMatchObject({ state: 'on', savesBytes: { value: null } })
  })

  test('that is not there is off where it can be loaded, and else says why it cannot', () => {
    expect(status()).toMatchObject({ state: 'unavailable', summary: expect.stringContaining('not installed') })
    layOut(root, builtModule)
    expect(status()).toMatchObject({ state: 'off' })
  })

  test('its parameters are in the probe, for planning', () => {
    layOut(root, moduleFiles('lz4'))
    expect(readProbe(root).files['/sys/module/agentmem/parameters/compressor']).toEqual({ value: 'lz4' })
    expect(Object.keys(fakeFiles)).not.toContain('/sys/module/agentmem/parameters/compressor')
  })
})
