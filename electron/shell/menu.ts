import { Menu } from 'electron'

/** The native menu: roles where there are, so that they come in the desktop's own words. */
export const setMenu = (actions: { readonly show: (page: string) => void; readonly quit: () => void }): void => {
  const page = (label: string, address: string) => ({ label, click: () => { actions.show(address) } })
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([
      { label: '&File', submenu: [page('Settings', 'settings'), { type: 'separator' }, { label: 'Quit', accelerator: 'Ctrl+Q', click: () => { actions.quit() } }] },
      { role: 'editMenu' },
      {
        label: '&View',
        submenu: [
          page('Overview', 'overview'), page('Agents', 'agents'), page('Layers', 'layers'), page('Compare', 'compare'), page('History', 'history'),
          { type: 'separator' },
          { role: 'zoomIn' }, { role: 'zoomOut' }, { role: 'resetZoom' }, { role: 'togglefullscreen' },
        ],
      },
      { role: 'windowMenu' },
    ]),
  )
}
