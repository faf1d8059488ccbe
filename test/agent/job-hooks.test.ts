import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { directives, hookThat, runTestJob, variable } from './job-setup.ts';

const alias = 'Running the pre-job hook configured in the agent';
const fails = 'Warning: The agent is configured to fail the job if the pre-job hook fails.\n';
const proceeds = 'Warning: The agent is configured to proceed with the job even if the pre-job hook fails.\n';

/** What is told from the hook on. */
function fromHook(story: string[]): string[] {
  return story.slice(story.indexOf(`$ ${alias}`));
}

describe('the pre-job hook', () => {
  it('runs in a bash of its own, after variables and files', async () => {
    const path = hookThat('echo hook $A $(cat ~/f); B=1; exit 0');
    const { story } = await runTestJob({
      request: {
        env_vars: [variable('A', '1')],
        files: [{ path: 'f', content: Buffer.from('of file').toString('base64'), mode: '0600' }],
        commands: directives('echo "B is $B"'),
      },
      hooks: { preJob: { path, source: false, failOnError: false } },
    });
    expect(fromHook(story).slice(0, 8)).toEqual([
      `$ ${alias}`,
      `Running: bash ${path}\n`,
      proceeds,
      'hook 1 of file\n',
      '= 0',
      '$ echo "B is $B"',
      'B is \n',
      '= 0',
    ]);
  });

  it('may be sourced: what it sets is there for the commands', async () => {
    const path = hookThat('B=1; cd /usr');
    const { story } = await runTestJob({
      request: { commands: directives('echo $B; pwd') },
      hooks: { preJob: { path, source: true, failOnError: true } },
    });
    expect(fromHook(story).slice(0, 7)).toEqual([
      `$ ${alias}`,
      `Running: source ${path}\n`,
      fails,
      '= 0',
      '$ echo $B; pwd',
      '1\n/usr\n',
      '= 0',
    ]);
  });

  it('that fails is passed over, or fails the job with its epilogues, as configured', async () => {
    const path = hookThat('exit 3');
    const request = { commands: directives('echo command'), epilogue_on_fail_commands: directives('echo on fail') };
    const lax = await runTestJob({ request, hooks: { preJob: { path, source: false, failOnError: false } } });
    expect(lax.result).toBe('passed');
    expect(fromHook(lax.story).slice(2, 6)).toEqual([proceeds, '= 3', '$ echo command', 'command\n']);
    const strict = await runTestJob({ request, hooks: { preJob: { path, source: false, failOnError: true } } });
    expect(strict.result).toBe('failed');
    expect(fromHook(strict.story).slice(2)).toEqual([
      fails,
      '= 3',
      '$ Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      '= 0',
      '$ echo on fail',
      'on fail\n',
      '= 0',
      'job_finished failed',
    ]);
  });

  it('that is missing fails with 127', async () => {
    const { story } = await runTestJob({
      request: {},
      hooks: { preJob: { path: '/nonexistent/hook', source: false, failOnError: false } },
    });
    expect(fromHook(story)[4]).toBe('= 127');
  });

  it('is always sourced and always fails a hosted job, and there is no post-job hook', async () => {
    const path = hookThat('return 4');
    const { result, story } = await runTestJob({
      request: { commands: directives('echo never') },
      mode: 'hosted',
      hooks: { preJob: { path, source: false, failOnError: false }, postJob: { path: '/bin/true' } },
    });
    expect(result).toBe('failed');
    expect(fromHook(story).slice(0, 4)).toEqual([`$ ${alias}`, `Running: source ${path}\n`, fails, '= 4']);
    expect(story.join('\n')).not.toContain('post-job');
  });

  it('does not exist in `agent run`', async () => {
    const { story } = await runTestJob({
      request: {},
      mode: 'run',
      hooks: { preJob: { path: '/bin/true', source: false, failOnError: true }, postJob: { path: '/bin/true' } },
    });
    expect(story.join('\n')).not.toContain('hook');
  });

  it.each([
    ["it's a $HOME `hook`; false", `'`],
    ['plain-hook_1.sh', ''],
  ])('has its path quoted: %s', async (name, quote) => {
    const path = hookThat('echo hook', join(tempDir(), name));
    const { story } = await runTestJob({ request: {}, hooks: { preJob: { path, source: false, failOnError: true } } });
    const shown = quote === '' ? path : `'${path.replaceAll("'", `'"'"'`)}'`;
    expect(fromHook(story).slice(1, 5)).toEqual([`Running: bash ${shown}\n`, fails, 'hook\n', '= 0']);
  });

  it('may be in the home directory', async () => {
    const home = tempDir();
    mkdirSync(join(home, 'my hooks'));
    writeFileSync(join(home, 'my hooks', 'pre'), 'echo hook');
    const { story } = await runTestJob({
      request: {},
      env: { PATH: process.env['PATH'] ?? '', HOME: home },
      hooks: { preJob: { path: '~/my hooks/pre', source: true, failOnError: true } },
    });
    expect(fromHook(story).slice(1, 5)).toEqual(["Running: source ~/'my hooks/pre'\n", fails, 'hook\n', '= 0']);
  });
});

describe('the post-job hook', () => {
  it('runs after the epilogues, sees the result, and changes nothing', async () => {
    const path = hookThat('echo "$SEMAPHORE_JOB_RESULT $A"; exit 9');
    const { result, story, agentLog } = await runTestJob({
      request: {
        env_vars: [variable('A', '1')],
        commands: directives('true'),
        epilogue_always_commands: directives('echo always'),
      },
      hooks: { postJob: { path } },
    });
    expect(result).toBe('passed');
    expect(story.slice(-7)).toEqual([
      'always\n',
      '= 0',
      '$ Running the post-job hook configured in the agent',
      `Running: bash ${path}\n`,
      'passed 1\n',
      '= 9',
      'job_finished passed',
    ]);
    expect(agentLog).toContain('The post-job hook failed {"exit_code":9}');
  });
});
