/**
 * One D-Bus address as the connecting library can open it. It reaches abstract
 * sockets and other paths through a native module that is not built here; Node
 * itself can open both, given as `socket=`. Forms as of the D-Bus
 * specification, "Server Addresses".
 */
const plainOne = (address: string): string => {
  const match = /^unix:(?:.*,)?(?<kind>path|abstract)=(?<value>[^,]*)/u.exec(address)
  const value = match?.groups?.['value']
  if (value === undefined) return address
  const decoded = value.replaceAll(/%(?<hex>[0-9a-fA-F]{2})/gu, (_all, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
  return `unix:socket=${match?.groups?.['kind'] === 'abstract' ? '\0' : ''}${decoded}`
}

/** The addresses in the order in which they are to be tried; a bare path is a socket. */
export const plainAddresses = (address: string): string[] =>
  (address.includes(':') ? address : `unix:path=${address}`).split(';').filter((one) => one !== '').map(plainOne)
