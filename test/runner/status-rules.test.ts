import { describe, expect, it } from 'vitest';
import { acceptsServerStatus } from '../../src/runner/status-rules.ts';

/** Spec 3.5, step 3: which of the server's statuses a runner takes over. */
describe('acceptsServerStatus', () => {
  it.each([
    ['running', 'starting', false],
    ['running', 'waiting', false],
    ['running', 'confirmed', false],
    ['running', 'rejected', false],
    ['running', 'waiting_confirmation', false],
    ['running', 'stopping', true],
    ['running', 'stopped', true],
    ['stopping', 'running', false],
    ['stopping', 'waiting_confirmation', false],
    ['stopping', 'stopped', true],
    ['confirmed', 'waiting_confirmation', false],
    ['confirmed', 'stopping', true],
    ['waiting_confirmation', 'running', false],
    ['waiting_confirmation', 'confirmed', true],
    ['waiting_confirmation', 'rejected', true],
    ['success', 'stopping', false],
    ['error', 'running', false],
    ['stopped', 'error', false],
    ['starting', 'stopping', true],
  ] as const)('local %s, server %s: %s', (local, server, accepted) => {
    expect(acceptsServerStatus(local, server)).toBe(accepted);
  });
});
