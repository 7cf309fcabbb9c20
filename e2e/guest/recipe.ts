/** What the guest's base image is made of; its cache is keyed by all of it. */

export const SUITE = 'trixie'

export const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'udev',
  'dbus',
  'dbus-user-session',
  'libpam-systemd',
  'polkitd',
  'pkexec',
  'kmod',
  'util-linux',
  'login',
  'passwd',
  'procps',
  'tmux',
  'python3-minimal', // a program that touches memory, with nothing of ours in it
]

/** The kernel of a guest, and what comes with it. */
export interface Flavour {
  /** Suites whose packages are offered, the first being what the rest is made of. */
  readonly suites: readonly string[]
  readonly packages: readonly string[]
  readonly imageSize: string
}

/** What DKMS builds with. */
const BUILDS = ['dkms', 'gcc', 'make', 'libc6-dev']

/** `plain` for all tests but those of the kernel module, which has a guest for each kernel of the matrix. */
export const FLAVOURS = {
  // The generic kernel: zram, zswap and zstd, which the cloud one lacks.
  plain: { suites: [SUITE], packages: ['linux-image-amd64'], imageSize: '1500M' },
  '6.1': { suites: [SUITE, 'bookworm'], packages: ['linux-image-amd64/bookworm', 'linux-headers-amd64/bookworm', ...BUILDS], imageSize: '2600M' },
  '6.12': { suites: [SUITE], packages: ['linux-image-amd64', 'linux-headers-amd64', ...BUILDS], imageSize: '2600M' },
  '7.2': { suites: [SUITE, 'sid'], packages: ['linux-image-amd64/sid', 'linux-headers-amd64/sid', ...BUILDS], imageSize: '3200M' },
} as const satisfies Record<string, Flavour>
export type FlavourName = keyof typeof FLAVOURS

/** Left out of the image: nobody reads them, and building is faster without. */
export const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/man/*', '/usr/share/info/*']

/** Who asks: `dev` is allowed by a rule, `eve` by none. */
export const USERS = ['dev', 'eve'] as const

/** Settings that come with the image; everything the tests are about is put there by the tests. */
export const FILES: Readonly<Record<string, string>> = {
  '/etc/hostname': 'guest\n',
  '/etc/fstab': '/dev/vda / ext4 defaults 0 0\n',
  // Its log is printed on the console, so that it is there when the guest hangs.
  '/etc/systemd/journald.conf.d/guest.conf': '[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n',
  '/etc/systemd/system/agentmem-guest.service': [
    '[Unit]',
    'Description=Tests of Agent Memory Center',
    'After=dbus.socket systemd-logind.service polkit.service',
    '[Service]',
    'Type=simple',
    'ExecStart=/usr/local/sbin/agentmem-guest',
    'OOMScoreAdjust=-900',
    'Environment=HOME=/root LC_ALL=C.UTF-8',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n'),
  '/usr/local/sbin/agentmem-guest': [
    '#!/bin/sh',
    'exec >/dev/ttyS1 2>&1 </dev/null',
    'stty -F /dev/ttyS1 raw',
    'mkdir -p /mnt/guest && mount -o ro /dev/vdb /mnt/guest && /mnt/guest/product/node /mnt/guest/inside/main.ts',
    'echo "# ended with $?"',
    'sync',
    'systemctl poweroff --force',
    '',
  ].join('\n'),
}

/** Units that only slow the start down, or cut off the serial line. */
export const MASKED = ['serial-getty@ttyS0.service', 'serial-getty@ttyS1.service', 'getty@tty1.service', 'apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'fstrim.timer', 'man-db.timer', 'systemd-networkd-wait-online.service']
