import { describe, expect, it } from 'vitest';
import { RemoteError, systemClock, type Clock } from '../../src/lib/index.ts';
import { RenewingClient, type RunnerClient } from '../../src/runner/renewing-client.ts';
import type { TokenSource } from '../../src/secrets/index.ts';

/** Token source, server and clock that the test holds in its hands. */
function stage() {
  const state = {
    /** What the source finds when it looks. */
    file: 'one',
    /** What the server accepts. */
    accepted: new Set(['one']),
    sent: [] as string[],
    waits: [] as number[],
    now: 0,
    /** Happens while somebody waits. */
    meanwhile: () => undefined as void,
    refusal: 'unauthorized' as 'unauthorized' | 'not_found',
  };
  let current = state.file;
  const source: TokenSource & { mayChange: boolean } = {
    mayChange: true,
    current: () => current,
    refresh: async () => {
      const changed = current !== state.file;
      current = state.file;
      return changed;
    },
  };
  const clientFor = (token: string): RunnerClient => {
    const ask = <T>(answer: T): T => {
      state.sent.push(token);
      if (state.accepted.has(token)) return answer;
      throw new RemoteError('no', { kind: state.refusal, endpoint: 'GET', retryable: false });
    };
    return {
      fetchState: async () =>
        ask({ newJobs: [], currentJobs: [], problems: [], accessKeys: new Map(), clearCache: false } as never),
      report: async () => ask({ terminatedJobs: [] }),
    };
  };
  const clock: Clock = {
    ...systemClock,
    now: () => state.now,
    sleep: async (ms) => {
      state.waits.push(ms);
      state.now += ms;
      state.meanwhile();
    },
  };
  return { state, source, client: new RenewingClient({ source, clientFor, clock }) };
}

describe('a token that is replaced', () => {
  it('here, in a file that is looked at: is used from the next request on', async () => {
    const { state, source, client } = stage();
    await client.report('{}');
    state.accepted = new Set(['two']);
    state.file = 'two';
    await source.refresh();
    await client.report('{}');
    await client.fetchState();
    expect(state.sent).toEqual(['one', 'two', 'two']);
  });

  it('on the server first: is looked up when the old one is refused, and the request sent once more', async () => {
    const { state, client } = stage();
    await client.report('{}');
    state.accepted = new Set(['two']);
    state.file = 'two';
    await client.report('{}');
    expect(state.sent).toEqual(['one', 'one', 'two']);
    expect(state.waits).toEqual([]);
  });

  it('a moment later here: is waited for, once', async () => {
    const { state, client } = stage();
    state.accepted = new Set(['two']);
    state.meanwhile = () => {
      state.file = 'two';
    };
    await client.fetchState();
    expect(state.sent).toEqual(['one', 'two']);
    expect(state.waits).toEqual([3000]);
  });

  it('here first: the one before is used until the server knows the new one, which is not tried every time', async () => {
    const { state, source, client } = stage();
    await client.report('{}');
    state.file = 'two';
    await source.refresh();
    await client.report('{}');
    await client.report('{}');
    expect(state.sent).toEqual(['one', 'two', 'one', 'one']);
    state.now += 6_000;
    state.accepted = new Set(['two']);
    await client.report('{}');
    expect(state.sent.slice(4)).toEqual(['two']);
    expect(state.waits).toEqual([]);
  });

  it('by one that the server never learns: is refused in the end', async () => {
    const { state, source, client } = stage();
    await client.report('{}');
    state.file = 'two';
    await source.refresh();
    await client.report('{}');
    state.now += 11 * 60_000;
    await expect(client.report('{}')).rejects.toMatchObject({ kind: 'unauthorized' });
    expect(state.sent.slice(3)).toEqual(['two']);
  });
});

describe('a token that is revoked', () => {
  it.each(['unauthorized', 'not_found'] as const)(
    'is refused (%s): told to the caller, after one wait for another',
    async (kind) => {
      const { state, client } = stage();
      state.accepted.clear();
      state.refusal = kind;
      for (let round = 0; round < 3; round += 1) await expect(client.report('{}')).rejects.toMatchObject({ kind });
      expect(state.sent).toEqual(['one', 'one', 'one']);
      expect(state.waits).toEqual([3000]);
    },
  );

  it('is not waited for when it cannot change', async () => {
    const { state, source, client } = stage();
    state.accepted.clear();
    source.mayChange = false;
    await expect(client.fetchState()).rejects.toMatchObject({ kind: 'unauthorized' });
    expect(state.waits).toEqual([]);
  });
});

it('other failures are passed on as they are', async () => {
  const { source } = stage();
  const failure = new RemoteError('away', { kind: 'network', endpoint: 'GET', retryable: true });
  const client = new RenewingClient({
    source,
    clock: systemClock,
    clientFor: () => ({ fetchState: async () => Promise.reject(failure), report: async () => Promise.reject(failure) }),
  });
  await expect(client.report('{}')).rejects.toBe(failure);
});
