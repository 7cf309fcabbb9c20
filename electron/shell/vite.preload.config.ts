import { defineConfig } from 'vite'

/** A sandboxed preload must be one CommonJS file; the package itself is ES modules. */
export default defineConfig({
  root: new URL('.', import.meta.url).pathname,
  build: {
    outDir: new URL('../../build/shell', import.meta.url).pathname,
    emptyOutDir: false,
    minify: false,
    target: 'node24',
    lib: { entry: new URL('preload.ts', import.meta.url).pathname, formats: ['cjs'], fileName: () => 'preload.cjs' },
    rolldownOptions: { external: ['electron'] },
  },
})
