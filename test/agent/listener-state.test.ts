import { describe, expect, it } from 'vitest';
import { type AgentState, react, reportOf } from '../../src/agent/listener/state.ts';
import type { SyncAnswer } from '../../src/protocol/ci/index.ts';

const waiting: AgentState = { kind: 'waiting-for-jobs' };
const starting: AgentState = { kind: 'starting-job', jobId: 'J' };
const running: AgentState = { kind: 'running-job', jobId: 'J' };
const stopping: AgentState = { kind: 'stopping-job', jobId: 'J' };
const finished: AgentState = { kind: 'finished-job', jobId: 'J', result: 'passed' };
const all = [waiting, starting, running, stopping, finished];

function answer(action: string, more: Partial<SyncAnswer> = {}): SyncAnswer {
  return { action, jobId: '', shutdownReason: '', nextSyncAfterMs: 0, ...more };
}

/** The reaction to an answer that was given to what the agent still is. */
function reaction(state: AgentState, given: SyncAnswer): unknown {
  return react(state, state.kind, given);
}

describe('the reaction to an answer (spec CI 2.7)', () => {
  it.each(all)('continue, an unknown word and none do nothing: $kind', (state) => {
    for (const word of ['continue', 'dance', '']) expect(reaction(state, answer(word))).toEqual({ kind: 'nothing' });
  });

  it('run-job starts a job where there is none', () => {
    expect(reaction(waiting, answer('run-job', { jobId: 'J' }))).toEqual({ kind: 'start', jobId: 'J' });
  });

  it.each([starting, running, stopping, finished])('run-job starts no second job: $kind', (state) => {
    expect(reaction(state, answer('run-job', { jobId: 'J' }))).toEqual({
      kind: 'ignore',
      why: 'the agent has this job already',
    });
    expect(reaction(state, answer('run-job', { jobId: 'K' }))).toEqual({
      kind: 'ignore',
      why: 'the agent has another job, J',
    });
  });

  it('run-job without a job is ignored', () => {
    expect(reaction(waiting, answer('run-job'))).toMatchObject({ kind: 'ignore' });
  });

  it.each([starting, running])('stop-job stops the job: $kind', (state) => {
    expect(reaction(state, answer('stop-job', { jobId: 'J' }))).toEqual({ kind: 'stop' });
    expect(reaction(state, answer('stop-job'))).toEqual({ kind: 'stop' });
  });

  it('stop-job without a job, or for another one, is ignored', () => {
    expect(reaction(waiting, answer('stop-job', { jobId: 'J' }))).toMatchObject({ kind: 'ignore' });
    for (const state of [starting, running, stopping, finished]) {
      expect(reaction(state, answer('stop-job', { jobId: 'K' }))).toMatchObject({ kind: 'ignore' });
    }
  });

  it.each([stopping, finished])('stop-job changes nothing once the job is on its way out: $kind', (state) => {
    expect(reaction(state, answer('stop-job', { jobId: 'J' }))).toEqual({ kind: 'nothing' });
    expect(react(finished, 'running-job', answer('stop-job', { jobId: 'J' }))).toEqual({ kind: 'nothing' });
  });

  it('wait-for-jobs ends a job whose result was reported, and no other', () => {
    expect(reaction(finished, answer('wait-for-jobs'))).toEqual({ kind: 'wait' });
    expect(react(finished, 'running-job', answer('wait-for-jobs'))).toMatchObject({ kind: 'ignore' });
    for (const state of [starting, running, stopping]) {
      expect(reaction(state, answer('wait-for-jobs'))).toMatchObject({ kind: 'ignore' });
    }
    expect(reaction(waiting, answer('wait-for-jobs'))).toEqual({ kind: 'nothing' });
  });

  it.each([
    ['idle', 'IDLE'],
    ['job-finished', 'JOB_FINISHED'],
    ['requested', 'REQUESTED'],
    ['interrupted', 'INTERRUPTED'],
    ['bored', 'UNKNOWN'],
    ['', 'UNKNOWN'],
    ['toString', 'UNKNOWN'],
  ])('shutdown with "%s" is %s, whatever the agent does (spec CI 2.10)', (shutdownReason, reason) => {
    for (const state of all) {
      expect(reaction(state, answer('shutdown', { shutdownReason }))).toEqual({ kind: 'shutdown', reason });
    }
  });
});

describe('the report of a state (spec CI 2.3)', () => {
  it.each([
    [waiting, { state: 'waiting-for-jobs', jobId: '', jobResult: '' }],
    [starting, { state: 'starting-job', jobId: 'J', jobResult: '' }],
    [running, { state: 'running-job', jobId: 'J', jobResult: '' }],
    [stopping, { state: 'stopping-job', jobId: 'J', jobResult: '' }],
    [finished, { state: 'finished-job', jobId: 'J', jobResult: 'passed' }],
  ])('%j', (state, report) => {
    expect(reportOf(state, 17)).toEqual({ ...report, interruptedAt: 17 });
  });
});
