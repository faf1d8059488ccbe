import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tempDir } from '../support/temp-dir.ts';
import { base64, directives, expectNobody, hookThat, outputOf, runTestJob, variable } from './job-setup.ts';

describe('the order of steps', () => {
  it('runs everything that a request can have, with these lines', async () => {
    const { result, lines, home } = await runTestJob({
      request: {
        job_id: '0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10',
        job_name: 'ignored by the agent',
        executor: 'shell',
        env_vars: [variable('GREETING', "it's fine $HOME"), variable('CI', 'true')],
        files: [
          { path: '~/.npmrc', content: base64('audit=false\n'), mode: '0600' },
          { path: 'opt/run.sh', content: base64('#!/bin/sh\necho run\n'), mode: '0755' },
        ],
        commands: [
          { directive: 'echo "<$GREETING> & $CI"', alias: 'Greet' },
          { directive: '~/opt/run.sh' },
          { directive: 'cd /tmp && true' },
          { directive: 'pwd; false' },
          { directive: 'echo never' },
        ],
        epilogue_always_commands: directives('echo result is $SEMAPHORE_JOB_RESULT'),
        epilogue_on_pass_commands: directives('echo good'),
        epilogue_on_fail_commands: directives('echo bad'),
        logger: { method: 'push', url: 'https://acme.example.test/api/v1/logs/0c6f', token: 't' },
      },
    });
    const finished = (directive: string, exitCode: number): string =>
      `{"event":"cmd_finished","timestamp":T,"directive":"${directive}","exit_code":${exitCode},"started_at":T,"finished_at":T}`;
    expect(lines).toEqual([
      '{"event":"job_started","timestamp":T}',
      '{"event":"cmd_started","timestamp":T,"directive":"Exporting environment variables"}',
      '{"event":"cmd_output","timestamp":T,"output":"Exporting CI\\n"}',
      '{"event":"cmd_output","timestamp":T,"output":"Exporting GREETING\\n"}',
      finished('Exporting environment variables', 0),
      '{"event":"cmd_started","timestamp":T,"directive":"Injecting Files"}',
      `{"event":"cmd_output","timestamp":T,"output":"Injecting ${home}/.npmrc with file mode 0600\\n"}`,
      `{"event":"cmd_output","timestamp":T,"output":"Injecting ${home}/opt/run.sh with file mode 0755\\n"}`,
      finished('Injecting Files', 0),
      '{"event":"cmd_started","timestamp":T,"directive":"Greet"}',
      String.raw`{"event":"cmd_output","timestamp":T,"output":"Running: echo \"\u003c$GREETING\u003e \u0026 $CI\"\n"}`,
      String.raw`{"event":"cmd_output","timestamp":T,"output":"\u003cit's fine $HOME\u003e \u0026 true\n"}`,
      finished('Greet', 0),
      '{"event":"cmd_started","timestamp":T,"directive":"~/opt/run.sh"}',
      String.raw`{"event":"cmd_output","timestamp":T,"output":"run\n"}`,
      finished('~/opt/run.sh', 0),
      String.raw`{"event":"cmd_started","timestamp":T,"directive":"cd /tmp \u0026\u0026 true"}`,
      finished(String.raw`cd /tmp \u0026\u0026 true`, 0),
      '{"event":"cmd_started","timestamp":T,"directive":"pwd; false"}',
      String.raw`{"event":"cmd_output","timestamp":T,"output":"/tmp\n"}`,
      finished('pwd; false', 1),
      '{"event":"cmd_started","timestamp":T,"directive":"Exporting environment variables"}',
      '{"event":"cmd_output","timestamp":T,"output":"Exporting SEMAPHORE_JOB_RESULT\\n"}',
      finished('Exporting environment variables', 0),
      '{"event":"cmd_started","timestamp":T,"directive":"echo result is $SEMAPHORE_JOB_RESULT"}',
      String.raw`{"event":"cmd_output","timestamp":T,"output":"result is failed\n"}`,
      finished('echo result is $SEMAPHORE_JOB_RESULT', 0),
      '{"event":"cmd_started","timestamp":T,"directive":"echo bad"}',
      String.raw`{"event":"cmd_output","timestamp":T,"output":"bad\n"}`,
      finished('echo bad', 0),
      '{"event":"job_finished","timestamp":T,"result":"failed"}',
    ]);
    expect(result).toBe('failed');
    expect(readFileSync(join(home, '.npmrc'), 'utf8')).toBe('audit=false\n');
    expect(statSync(join(home, '.npmrc')).mode & 0o777).toBe(0o600);
  });

  it('runs the JSON that servers send, with the parts that are for other executors', async () => {
    const absolute = join(tempDir(), 'ci/run.sh');
    const json = `{
      "job_id": "0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10", "job_name": "ignored by the agent", "executor": "shell",
      "ssh_public_keys": [],
      "compose": {
        "containers": [{"name": "main", "image": "registry.example.test/node:20", "env_vars": [{"name": "NODE_ENV", "value": "dGVzdA=="}]}],
        "image_pull_credentials": [{"env_vars": [{"name": "DOCKER_CREDENTIAL_TYPE", "value": "R2VuZXJpY0RvY2tlcg=="}], "files": []}],
        "host_setup_commands": [{"directive": "echo not on this executor"}]
      },
      "env_vars": [{"name": "CI", "value": "dHJ1ZQ=="}, {"name": "GREETING", "value": "aXQncyBmaW5lICRIT01F"}],
      "files": [
        {"path": "~/.npmrc", "content": "YXVkaXQ9ZmFsc2UK", "mode": "0600"},
        {"path": ${JSON.stringify(absolute)}, "content": "IyEvYmluL3NoCmVjaG8gcnVuCg==", "mode": "0755"},
        {"path": "relative/note.txt", "content": "aGkK", "mode": "0644"}
      ],
      "commands": [
        {"directive": "cat ~/.npmrc ~/relative/note.txt", "alias": "Install dependencies"},
        {"directive": "${absolute}; echo $GREETING"}
      ],
      "epilogue_always_commands": [{"directive": "echo result is $SEMAPHORE_JOB_RESULT"}],
      "epilogue_on_pass_commands": [{"directive": "echo good"}],
      "epilogue_on_fail_commands": [{"directive": "echo bad"}],
      "callbacks": {"finished": "", "teardown_finished": "", "token": ""},
      "logger": {"method": "push", "url": "https://acme.example.test/api/v1/logs/0c6f", "token": "log.jwt.token", "max_size_in_bytes": 0}
    }`;
    const job = await runTestJob({ request: JSON.parse(json) });
    expect(job.result).toBe('passed');
    expect(job.story.slice(10)).toEqual([
      '$ Install dependencies',
      'Running: cat ~/.npmrc ~/relative/note.txt\n',
      'audit=false\nhi\n',
      '= 0',
      `$ ${absolute}; echo $GREETING`,
      "run\nit's fine $HOME\n",
      '= 0',
      '$ Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      '= 0',
      '$ echo result is $SEMAPHORE_JOB_RESULT',
      'result is passed\n',
      '= 0',
      '$ echo good',
      'good\n',
      '= 0',
      'job_finished passed',
    ]);
  });

  it('runs the YAML of `agent run`', async () => {
    const yaml = `
job_id: local-1
executor: shell
env_vars:
  - {name: WHO, value: d29ybGQ=}
file:
  - {path: hello.txt, mode: "0644", content: aGVsbG8K}
commands:
  - directive: cat ~/hello.txt
    alias: Show the file
  - directive: echo "hello $WHO"
epilogue_always_commands:
  - directive: echo "$SEMAPHORE_JOB_RESULT"
callbacks: {finished: 'http://127.0.0.1:9999/finished', teardown_finished: 'http://127.0.0.1:9999/teardown'}
logger: {method: pull, max_size_in_bytes: 1048576}
`;
    const job = await runTestJob({ request: parse(yaml), spelling: 'yaml', mode: 'run' });
    expect(job.result).toBe('passed');
    expect(outputOf(job)).toBe(
      `Exporting WHO\nInjecting ${job.home}/hello.txt with file mode 0644\nRunning: cat ~/hello.txt\nhello\nhello world\n` +
        'Exporting SEMAPHORE_JOB_RESULT\npassed\n',
    );
  });

  it('passes a job without commands, and tells the epilogues', async () => {
    const { result, story } = await runTestJob({
      request: {
        epilogue_always_commands: directives('echo $SEMAPHORE_JOB_RESULT'),
        epilogue_on_pass_commands: directives('echo good'),
        epilogue_on_fail_commands: directives('echo bad'),
      },
    });
    expect(result).toBe('passed');
    expect(story.slice(5)).toEqual([
      '$ Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      '= 0',
      '$ echo $SEMAPHORE_JOB_RESULT',
      'passed\n',
      '= 0',
      '$ echo good',
      'good\n',
      '= 0',
      'job_finished passed',
    ]);
  });

  it('ends only its own list with an epilogue that fails, and never changes the result', async () => {
    const { result, story } = await runTestJob({
      request: {
        epilogue_always_commands: directives('false', 'echo not shown'),
        epilogue_on_pass_commands: directives('echo good', '(exit 7)', 'echo not shown'),
      },
    });
    expect(result).toBe('passed');
    expect(story.slice(8)).toEqual([
      '$ false',
      '= 1',
      '$ echo good',
      'good\n',
      '= 0',
      '$ (exit 7)',
      '= 7',
      'job_finished passed',
    ]);
  });

  it.each([[{ env_vars: [{ name: 'A', value: '***' }] }], [{ files: [{ path: 'x', content: '***', mode: '0600' }] }]])(
    'runs the epilogues when a preparation fails: %j',
    async (part) => {
      const { result, story } = await runTestJob({
        request: {
          ...part,
          commands: directives('echo never'),
          epilogue_always_commands: directives('echo always'),
          epilogue_on_fail_commands: directives('echo on fail'),
        },
      });
      expect(result).toBe('failed');
      expect(story.slice(-10)).toEqual(
        [
          '= 1',
          '$ Exporting environment variables',
          'Exporting SEMAPHORE_JOB_RESULT\n',
          '= 0',
          '$ echo always',
          'always\n',
          '= 0',
          '$ echo on fail',
          'on fail\n',
          '= 0',
          'job_finished failed',
        ].slice(-10),
      );
      expect(story).not.toContain('$ echo never');
    },
  );

  it.each([
    ['the shell does not start', { env: { PATH: '/nonexistent' } }, 'did not start'],
    ['the keys of a hosted job are not base64', { mode: 'hosted' as const }, 'cannot be opened for debug sessions'],
  ])('says nothing but its end when %s, and runs no hook', async (_, options, reason) => {
    const { result, story, agentLog } = await runTestJob({
      request: {
        commands: directives('echo never'),
        ssh_public_keys: ['?'],
        epilogue_always_commands: directives('echo never'),
      },
      hooks: { preJob: { path: '/bin/true', source: false, failOnError: false }, postJob: { path: '/bin/true' } },
      ...options,
    });
    expect(result).toBe('failed');
    expect(story).toEqual(['job_started', 'job_finished failed']);
    expect(agentLog.join('\n')).toContain(reason);
  });

  it('shows every later command of a dead shell as failed with 1, whatever its exit code', async () => {
    const { result, story, agentLog } = await runTestJob({
      request: {
        commands: directives('echo bye; exit 0', 'echo never'),
        epilogue_always_commands: directives('echo always'),
        epilogue_on_fail_commands: directives('echo on fail'),
      },
      hooks: { postJob: { path: '/bin/true' } },
    });
    expect(result).toBe('failed');
    expect(story.slice(5)).toEqual([
      '$ echo bye; exit 0',
      'bye\n',
      '= 1',
      '$ Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      '= 1',
      '$ echo always',
      '= 1',
      '$ echo on fail',
      '= 1',
      '$ Running the post-job hook configured in the agent',
      'Running: bash /bin/true\n',
      '= 1',
      'job_finished failed',
    ]);
    expect(agentLog).toContain('The epilogues run without the result of the job {"exit_code":1}');
  });

  it.each([[143], [137], [2], [255]])('fails with the first command that fails, also with %d', async (code) => {
    const { result, story } = await runTestJob({ request: { commands: directives(`(exit ${code})`, 'echo never') } });
    expect(result).toBe('failed');
    expect(story.slice(5, 7)).toEqual([`$ (exit ${code})`, `= ${code}`]);
    expect(story).not.toContain('$ echo never');
  });

  it('keeps one shell for all commands', async () => {
    const job = await runTestJob({
      request: { commands: directives('f() { echo "f $X"; }; X=1; cd /usr', 'X=2', 'f; pwd; echo $-; stty size') },
    });
    expect(job.result).toBe('passed');
    expect(outputOf(job)).toContain('f 2\n/usr\nhimBHs\n0 0\n');
  });
});

describe('early exit', () => {
  const rest = {
    epilogue_always_commands: directives('echo never'),
    epilogue_on_pass_commands: directives('echo never'),
    epilogue_on_fail_commands: directives('echo never'),
  };

  it.each([
    [
      'export SEMAPHORE_JOB_RESULT=passed; return 130',
      'passed',
      'SEMAPHORE_JOB_RESULT=passed - stopping job and marking it as passed',
    ],
    [
      'SEMAPHORE_JOB_RESULT=failed; return 130',
      'failed',
      'SEMAPHORE_JOB_RESULT=failed - stopping job and marking it as failed',
    ],
    ['return 130', 'stopped', "SEMAPHORE_JOB_RESULT is set to '' - stopping job and marking it as stopped"],
    [
      "SEMAPHORE_JOB_RESULT='a b'; (exit 130)",
      'stopped',
      "SEMAPHORE_JOB_RESULT is set to 'a b' - stopping job and marking it as stopped",
    ],
    [
      'set -ux; exec >/dev/null 2>&1; SEMAPHORE_JOB_RESULT=passed; return 130',
      'passed',
      'SEMAPHORE_JOB_RESULT=passed - stopping job and marking it as passed',
    ],
  ])('by `%s` makes the job %s', async (directive, expected, text) => {
    const { result, lines, story } = await runTestJob({
      request: { ...rest, commands: directives(directive, 'echo never') },
    });
    expect(result).toBe(expected);
    expect(lines.slice(-4)).toEqual([
      '{"event":"cmd_started","timestamp":T,"directive":"Checking job result"}',
      `{"event":"cmd_output","timestamp":T,"output":"${text}"}`,
      '{"event":"cmd_finished","timestamp":T,"directive":"Checking job result","exit_code":0,"started_at":T,"finished_at":T}',
      `{"event":"job_finished","timestamp":T,"result":"${expected}"}`,
    ]);
    expect(story.at(-5)).toBe('= 130');
  });

  it('is not confused by what runs in the background, and ends that; the post-job hook runs', async () => {
    const { result, story, home } = await runTestJob({
      request: {
        ...rest,
        commands: directives(
          '(while :; do echo noise; touch ~/alive; sleep 0.01; done) & sleep 0.2; SEMAPHORE_JOB_RESULT=passed; return 130',
        ),
      },
      hooks: { postJob: { path: '/bin/true' } },
    });
    expect(result).toBe('passed');
    expect(story).toContain('SEMAPHORE_JOB_RESULT=passed - stopping job and marking it as passed');
    expect(story).toContain('$ Running the post-job hook configured in the agent');
    expect(story).not.toContain('$ echo never');
    await expectNobody(join(home, 'alive'));
  });

  it('is nothing special in hooks and epilogues', async () => {
    const { result, story } = await runTestJob({
      request: {
        commands: directives('true'),
        epilogue_always_commands: directives('return 130'),
        epilogue_on_pass_commands: directives('echo good'),
      },
      hooks: { preJob: { path: hookThat('return 130'), source: true, failOnError: false } },
    });
    expect(result).toBe('passed');
    expect(story).not.toContain('$ Checking job result');
    expect(story).toContain('= 130');
    expect(story).toContain('good\n');
  });
});
