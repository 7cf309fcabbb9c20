import { defineConfig } from 'vitest/config'

/** Tests over the built programs: one file at a time, since they share a screen, a bus or the kernel's settings. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['e2e/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    environment: 'node',
    pool: 'forks',
    fileParallelism: false,
    sequence: { concurrent: false },
    testTimeout: 180_000,
    hookTimeout: 420_000,
    expect: { poll: { timeout: 30_000 } },
  },
})
