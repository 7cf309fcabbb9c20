import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** One build for both hosts: relative addresses work from a file and from a server alike. */
export default defineConfig({
  root: new URL('.', import.meta.url).pathname,
  base: './',
  plugins: [react()],
  build: {
    outDir: new URL('../build/renderer', import.meta.url).pathname,
    emptyOutDir: true,
    target: 'chrome128',
    // Nothing becomes a data: address, so the content policy can stay tight.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
})
