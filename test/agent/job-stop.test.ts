import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { directives, expectNobody, hookThat, runTestJob, toucher, variable } from './job-setup.ts';

const later = {
  epilogue_always_commands: directives('echo never'),
  epilogue_on_pass_commands: directives('echo never'),
  epilogue_on_fail_commands: directives('echo never'),
};
const hooks = { postJob: { path: '/bin/true' } };

/** Commands that leave something running in every way there is. */
const leftovers = [
  `touch ~/a ~/b ~/c ~/d; ${toucher('a')} ${toucher('b', 'nohup')} ${toucher('c', 'setsid')} ${toucher('d', 'env -i HOME=$HOME PATH=$PATH setsid')} disown -a`,
];

describe('stopping a job', () => {
  it('ends the running command with 1, everything it left behind, and skips the rest', async () => {
    const { result, story, home } = await runTestJob({
      request: { ...later, commands: directives(...leftovers, 'echo here; sleep 300', 'echo never') },
      hooks,
      onLine: (line, stop) => line.includes('here\\n') && stop(),
    });
    expect(result).toBe('stopped');
    expect(story.slice(-4)).toEqual(['$ echo here; sleep 300', 'here\n', '= 1', 'job_finished stopped']);
    for (const file of ['a', 'b', 'c', 'd']) await expectNobody(join(home, file));
  });

  it('gives a process time after TERM, and kills it when it does not take it', async () => {
    const script = `trap 'echo got it; touch ~/term' TERM; echo here; while :; do sleep 0.05; done`;
    const { result, story, home } = await runTestJob({
      request: { commands: directives(`bash -c "${script.replaceAll('"', '\\"')}"`) },
      stopGraceMs: 500,
      onLine: (line, stop) => line.includes('here\\n') && stop(),
    });
    expect(result).toBe('stopped');
    expect(existsSync(join(home, 'term'))).toBe(true);
    expect(story.slice(-2)).toEqual(['= 1', 'job_finished stopped']);
  });

  it.each([
    { when: 'before it begins', moment: 'job_started', end: ['job_started', 'job_finished stopped'] },
    {
      when: 'while variables are exported',
      moment: 'Exporting A',
      end: ['$ Exporting environment variables', 'Exporting A\n', '= 1', 'job_finished stopped'],
    },
    { when: 'while files are injected', moment: 'Injecting /', end: ['= 1', 'job_finished stopped'] },
    {
      when: 'in its pre-job hook',
      moment: 'in the hook',
      hook: 'echo in the hook; sleep 300',
      end: ['in the hook\n', '= 1', 'job_finished stopped'],
    },
    {
      when: 'when a command begins',
      moment: '"directive":"sleep 300"',
      end: ['$ sleep 300', '= 1', 'job_finished stopped'],
    },
  ])('$when makes it stopped, with nothing after that', async ({ moment, hook = '', end }) => {
    const directory = tempDir();
    const { result, story } = await runTestJob({
      request: {
        ...later,
        env_vars: [variable('A', '1')],
        files: ['x', 'y'].map((name) => ({ path: join(directory, name), content: '', mode: '0600' })),
        commands: directives('sleep 300', 'echo never'),
      },
      hooks: { ...hooks, preJob: { path: hookThat(hook), source: true, failOnError: true } },
      onLine: (line, stop) => line.includes(moment) && stop(),
    });
    expect(result).toBe('stopped');
    expect(story.slice(-end.length)).toEqual(end);
    if (moment.startsWith('Inj')) expect(readdirSync(directory)).toEqual(['x']);
  });

  it('in its epilogues makes it stopped, whatever they were told', async () => {
    const { result, story } = await runTestJob({
      request: {
        epilogue_always_commands: directives('echo $SEMAPHORE_JOB_RESULT; sleep 300', 'echo never'),
        epilogue_on_pass_commands: directives('echo never'),
      },
      hooks,
      onLine: (line, stop) => line.includes('passed\\n') && stop(),
    });
    expect(result).toBe('stopped');
    expect(story.slice(-3)).toEqual(['passed\n', '= 1', 'job_finished stopped']);
  });

  it('while its shell starts makes it stopped, without a command and without the shell', async () => {
    const home = tempDir();
    // A profile that takes its time, and tells that it is there.
    const profile = hookThat(
      `touch ~/alive ~/here; while :; do touch ~/alive; sleep 0.02; done`,
      join(home, '.bash_profile'),
    );
    expect(profile).toBe(join(home, '.bash_profile'));
    const waits = setInterval(() => existsSync(join(home, 'here')) && stopNow?.(), 20);
    let stopNow: (() => void) | undefined;
    const { result, story } = await runTestJob({
      request: { ...later, commands: directives('echo never') },
      hooks,
      env: { PATH: process.env['PATH'] ?? '', HOME: home },
      onLine: (line, stop) => (stopNow = stop),
    });
    clearInterval(waits);
    expect(result).toBe('stopped');
    expect(story).toEqual(['job_started', 'job_finished stopped']);
    await expectNobody(join(home, 'alive'));
  });

  it('while it asks for its own result makes it stopped', async () => {
    const { result, story } = await runTestJob({
      request: { ...later, commands: directives('SEMAPHORE_JOB_RESULT=passed; return 130') },
      hooks,
      onLine: (line, stop) => line.includes('Checking job result') && stop(),
    });
    expect(result).toBe('stopped');
    expect(story.at(-1)).toBe('job_finished stopped');
    expect(story).not.toContain('$ Running the post-job hook configured in the agent');
  });
});

describe('the end of a job', () => {
  it.each([
    ['passes', 'true', 'passed'],
    ['fails', 'false', 'failed'],
    ['ends itself', 'SEMAPHORE_JOB_RESULT=passed; return 130', 'passed'],
    ['loses its shell', 'kill -9 $$', 'failed'],
  ])('leaves nothing running and no file when it %s', async (_, last, expected) => {
    const [temporary, home] = [tempDir(), tempDir()];
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = temporary;
    try {
      const { result } = await runTestJob({
        env: { PATH: process.env['PATH'] ?? '', HOME: home },
        request: { env_vars: [variable('A', '1')], commands: directives(...leftovers, last) },
      });
      expect(result).toBe(expected);
      for (const file of ['a', 'b', 'c', 'd']) await expectNobody(join(home, file));
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  });

  it('of one job is not that of another on the same host', async () => {
    const home = tempDir();
    const env = { PATH: process.env['PATH'] ?? '', HOME: home };
    const steps = (name: string): object => ({
      env_vars: [variable('NAME', name)],
      files: [{ path: `${name}.txt`, content: Buffer.from(`of ${name}\n`).toString('base64'), mode: '0600' }],
      commands: directives(
        ...Array.from({ length: 8 }, (_, step) => `echo ${step} $NAME $(cat ~/${name}.txt); sleep 0.05`),
      ),
      epilogue_always_commands: directives('echo $NAME $SEMAPHORE_JOB_RESULT'),
    });
    const [short, one, two] = await Promise.all([
      runTestJob({
        request: { commands: directives('sleep 300') },
        env,
        onLine: (line, stop) => line.includes('sleep') && stop(),
      }),
      runTestJob({ request: steps('one'), env }),
      runTestJob({ request: steps('two'), env }),
    ]);
    expect(short.result).toBe('stopped');
    for (const [name, job] of [
      ['one', one],
      ['two', two],
    ] as const) {
      expect(job.result).toBe('passed');
      const printed = job.story.filter((text) => /^\d /.test(text));
      expect(printed).toEqual(Array.from({ length: 8 }, (_, step) => `${step} ${name} of ${name}\n`));
      expect(job.story).toContain(`${name} passed\n`);
    }
  });
});
