import { defineConfig } from 'vite'

/**
 * Electron's Node may come without type stripping, so the shell is built to
 * plain JavaScript. Files stay two folders below the project, as the sources
 * are: paths are worked out from there.
 */
export default defineConfig({
  root: new URL('.', import.meta.url).pathname,
  build: {
    ssr: 'main.ts',
    outDir: new URL('../../build/shell', import.meta.url).pathname,
    emptyOutDir: false,
    minify: false,
    target: 'node24',
    rolldownOptions: { external: ['electron'], output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' } },
  },
})
