/**
 * Optional parts of dbus-next that bus.ts never needs. They must not be looked
 * for at run time either: what root runs is what stands in MANIFEST.
 * @type {import('rolldown').Plugin}
 */
export const leaveOut = {
  name: 'leave-out',
  resolveId: (id) => (['usocket', 'x11', 'event-stream', 'xml2js'].includes(id) ? `\0${id}` : null),
  load: (id) => {
    // Made with each connection, used only for proxies and interfaces by introspection: 4 MB of heap for nothing.
    if (id === '\0xml2js') return 'module.exports = { Builder: class {}, Parser: class {} }'
    return id.startsWith('\0') ? `throw new Error('${id.slice(1)} is left out of this program')\nmodule.exports = {}` : null
  },
}
