import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJob } from '../../src/agent/run/run-file.ts';
import { directives, runTestJob } from './job-setup.ts';

const examples = join(import.meta.dirname, '../../examples/agent');

describe('a job whose executor is dockercompose', () => {
  it('fails at its start without an engine, tells why in its log, and tells the pull of some images', async () => {
    const gauges: string[] = [];
    const { result, story } = await runTestJob({
      request: {
        executor: 'dockercompose',
        compose: { containers: [{ name: 'main', image: 'semaphoreci/android:32' }] },
        commands: directives('echo never'),
        epilogue_always_commands: directives('echo never'),
      },
      env: { PATH: process.env['PATH'] ?? '', DOCKER_HOST: 'unix:///nowhere/docker.sock' },
      metrics: { gauge: (metric, value, tags) => gauges.push(`${metric} ${value} ${tags.join(',')}`) },
    });
    expect(result).toBe('failed');
    expect(story[0]).toBe('job_started');
    expect(story.join('')).not.toContain('never');
    expect(story.at(-1)).toBe('job_finished failed');
    // Where there is no docker compose, not even that is asked.
    expect(gauges).toEqual(
      story.includes('$ Pulling docker images...')
        ? [
            'compose.docker.pull.rate 1 semaphoreci/android',
            'compose.docker.error.rate 1 semaphoreci/android',
            'compose.docker.pull.duration 0 semaphoreci/android',
          ]
        : [],
    );
  });

  it('is stopped before it begins like every other', async () => {
    const { result, story } = await runTestJob({
      request: { executor: 'dockercompose', compose: { containers: [{ name: 'main', image: 'x' }] } },
      onLine: (_line, stop) => stop(),
    });
    expect({ result, story }).toEqual({ result: 'stopped', story: ['job_started', 'job_finished stopped'] });
  });

  it('has an example', async () => {
    const { request, ignored } = await readJob(join(examples, 'docker.yaml'));
    expect(request.executor).toBe('dockercompose');
    expect(request.compose.containers.map(({ name }) => name)).toEqual(['main', 'redis']);
    expect(ignored).toEqual([]);
  });
});
