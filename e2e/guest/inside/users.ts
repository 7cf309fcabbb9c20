/** The users of the guest. */
export const PRODUCT = '/mnt/guest/product'
export const INSTALLED = '/usr/lib/agentmem'
export const DEV = { name: 'dev', uid: 1000 } as const
export const EVE = { name: 'eve', uid: 1001 } as const
export type User = typeof DEV | typeof EVE

/** A command as this user, with the user's own bus. */
export const asUser = (user: User, ...command: string[]): string[] => [
  'runuser', '-u', user.name, '--', 'env', `HOME=/home/${user.name}`, `XDG_RUNTIME_DIR=/run/user/${user.uid}`, `DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${user.uid}/bus`, ...command,
]
