import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // One more than the two cores of the smallest machine: tests with containers mostly wait for their engine.
    maxWorkers: 3,
    env: {
      TZ: 'UTC',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      NODE_EXTRA_CA_CERTS: '',
    },
  },
});
