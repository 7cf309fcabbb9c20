import { contextBridge, ipcRenderer, type IpcRendererEvent } from 'electron'
import type { Bridge } from '../contract/channels.ts'

const bridge: Bridge = {
  host: 'electron',
  call: (name, request) => ipcRenderer.invoke('call', name, request),
  on: (name, listener) => {
    const heard = (_event: IpcRendererEvent, payload: Parameters<typeof listener>[0]): void => listener(payload)
    ipcRenderer.on(`event:${name}`, heard)
    return () => ipcRenderer.off(`event:${name}`, heard)
  },
}
contextBridge.exposeInMainWorld('agentmem', bridge)
