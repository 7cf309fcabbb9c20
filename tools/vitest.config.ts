import { defineConfig } from 'vitest/config'

/** Unit tests stand beside the code; what needs a browser, a bus or root lives in e2e/. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['{helper,electron,renderer,tools}/**/*.test.{ts,tsx}', 'e2e/guest/*.test.ts', 'e2e/fixtures/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    testTimeout: 30_000,
    // A limit for what never comes, not a measure: on a busy machine a second is soon over.
    expect: { poll: { timeout: 15_000 } },
  },
})
