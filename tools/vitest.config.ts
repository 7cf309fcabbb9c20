import { defineConfig } from 'vitest/config'

/** Unit tests stand beside the code; what needs a browser, a bus or root lives in e2e/. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['{helper,electron,renderer,tools}/**/*.test.{ts,tsx}', 'e2e/guest/*.test.ts', 'e2e/fixtures/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    testTimeout: 30_000,
  },
})
