import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildProgram } from '../support/built-program.ts';
import { TestRepository } from '../support/git-repository.ts';
import { eventually } from '../support/runner.ts';
import { bashJob, ScriptedServer } from '../support/scripted-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { toolPath } from '../support/tools.ts';

/** What others on this machine can see of a running runner, and what its children get. */

let built: string;
let bin: string;

beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), 'semaphore-process-'));
  ({ bin } = buildProgram(built));
});

afterAll(() => rmSync(built, { recursive: true, force: true }));

const secrets = {
  token: 'runner-t0ken-in-the-environment',
  proxy: 'pr0xy-passw0rd',
  passphrase: 'phrase-0f-the-key',
  registration: 'registrati0n-token',
  server: 'c00kie-of-a-server',
  other: 'secret-0f-somebody-else',
};
const any = new RegExp(Object.values(secrets).join('|'));

/** A tool that writes down what it was started with, and then is the real one. */
function spy(directory: string, tool: string, notes: string): void {
  const real = toolPath(tool);
  if (real === undefined) return;
  const note = `{ printf '%s\\n' "$0" "$@"; /usr/bin/env; /bin/cat "/proc/$$/environ"; echo; } >> '${notes}'`;
  writeFileSync(join(directory, tool), `#!/bin/sh\n${note}\nexec '${real}' "$@"\n`, { mode: 0o755 });
}

/** Everything that all processes of this user show; our own test's secrets are in no other environment. */
const lookAround = `#!/bin/bash
umask
touch "$OUTPUT/made"; mkdir "$OUTPUT/made.d"; cp checked.txt "$OUTPUT/copied"
for process in /proc/[0-9]*; do
  cat "$process/environ" "$process/cmdline" 2>/dev/null
done | tr '\\0' '\\n' > "$OUTPUT/processes"
env > "$OUTPUT/environment"
echo looked
while ! [ -e "$OUTPUT/go" ]; do sleep 0.05; done
`;

interface Stage {
  server: ScriptedServer;
  output: string;
  start: (more?: Readonly<Record<string, string>>) => { child: ChildProcess; err: () => string };
}

async function stage(runner: Readonly<Record<string, unknown>> = {}): Promise<Stage> {
  const directory = tempDir();
  const output = join(directory, 'output');
  const tools = join(directory, 'tools');
  for (const path of [output, tools]) mkdirSync(path);
  for (const tool of ['git', 'bash', 'sh', 'cat', 'mkfifo']) spy(tools, tool, join(output, 'started'));
  const repository = new TestRepository(join(directory, 'repository'));
  repository.commit({ 'look.sh': lookAround, 'checked.txt': 'text\n' });
  const server = new ScriptedServer();
  await server.listen();
  onTestFinished(() => server.close());
  server.offer(
    1,
    bashJob(1, repository.url, 'look.sh', {
      repository: { id: 1, name: 'r', project_id: 1, git_url: repository.url, git_branch: 'main', ssh_key_id: 1 },
    }),
  );
  const config = { tmp_path: join(directory, 'work'), env_vars: { OUTPUT: output }, ...runner };
  writeFileSync(join(directory, 'runner.json'), JSON.stringify({ web_host: server.url, ...config }), { mode: 0o600 });
  return {
    server,
    output,
    start: (more = {}) => {
      const child = spawn(bin, ['runner', 'start', '--config', 'runner.json'], {
        cwd: directory,
        env: {
          PATH: [tools, process.env['PATH'] ?? ''].join(delimiter),
          HOME: directory,
          SEMAPHORE_RUNNER_TOKEN: secrets.token,
          SEMAPHORE_RUNNER_REGISTRATION_TOKEN: secrets.registration,
          SEMAPHORE_RUNNER_CLIENT_KEY_PASSPHRASE: secrets.passphrase,
          SEMAPHORE_COOKIE_HASH: secrets.server,
          HTTPS_PROXY: `http://user:${secrets.proxy}@127.0.0.1:1`,
          CLOUD_PASSWORD: secrets.other,
          KEPT: 'kept',
          ...more,
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      let err = '';
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      return { child, err: () => err };
    },
  };
}

describe.runIf(process.platform === 'linux')('a running runner', () => {
  it('shows no secret in its environment or its command line, and hands none to what it starts', async () => {
    const { server, output, start } = await stage();
    const before = process.umask(0o022);
    const { child, err } = start();
    process.umask(before);
    await eventually(() => server.lines(1).includes('looked'), 60_000);

    const of = (file: string): string => readFileSync(`/proc/${String(child.pid)}/${file}`, 'latin1');
    // Nothing at all is left to be read: no list of names can be incomplete.
    expect(of('environ').replaceAll('\0', '')).toBe('');
    expect(of('cmdline').split('\0')).toEqual([
      expect.any(String),
      bin,
      'runner',
      'start',
      '--config',
      'runner.json',
      '',
    ]);
    expect(of('status')).toContain('Umask:\t0077\n');

    // What a task of the same user finds when it looks into every process.
    expect(readFileSync(join(output, 'processes'), 'latin1')).not.toMatch(any);
    // What every child was started with: git here, the task itself below.
    const started = readFileSync(join(output, 'started'), 'latin1');
    expect(started).toMatch(/^\/.*\/git$/m);
    expect(started).not.toMatch(any);
    expect(started).not.toMatch(/KEPT|SEMAPHORE_RUNNER_TOKEN|HTTPS_PROXY/);
    expect(readFileSync(join(output, 'environment'), 'utf8')).not.toMatch(/KEPT|SEMAPHORE_(RUNNER|COOKIE)/);

    // Its log says nothing of them either.
    expect(err()).not.toMatch(any);
    expect(err()).not.toMatch(/Other processes of this user/);

    writeFileSync(join(output, 'go'), '');
    await eventually(() => server.status(1) === 'success', 30_000);
    child.kill('SIGTERM');
    await once(child, 'close');
    expect(child.exitCode).toBe(0);
  });

  it('gives tasks the umask back that it was started with', async () => {
    const { server, output, start } = await stage();
    const before = process.umask(0o027);
    const { child } = start();
    process.umask(before);
    await eventually(() => server.lines(1).includes('looked'), 60_000);
    expect(server.lines(1)).toContain('0027');
    const mode = (name: string): number => statSync(join(output, name)).mode & 0o777;
    expect([mode('made'), mode('made.d'), mode('copied')]).toEqual([0o640, 0o750, 0o640]);
    writeFileSync(join(output, 'go'), '');
    await eventually(() => server.status(1) === 'success', 30_000);
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  it('keeps what it makes for its user alone: files 0600, directories 0700', async () => {
    const { server, output, start } = await stage();
    const before = process.umask(0o000);
    const { child } = start();
    process.umask(before);
    await eventually(() => server.lines(1).includes('looked'), 60_000);
    const work = join(output, '../work');
    const state = join(work, readdirSync(work).find((name) => name.startsWith('.runner-')) ?? '');
    const entries = [
      state,
      ...readdirSync(state, { recursive: true, encoding: 'utf8' }).map((name) => join(state, name)),
    ];
    expect(entries.length).toBeGreaterThan(5);
    for (const path of entries) {
      const found = statSync(path);
      expect([path, (found.mode & 0o777).toString(8)]).toEqual([path, found.isDirectory() ? '700' : '600']);
    }
    expect((statSync(work).mode & 0o777).toString(8)).toBe('700');
    writeFileSync(join(output, 'go'), '');
    await eventually(() => server.status(1) === 'success', 30_000);
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  it('still has its variables: the proxy is used, the forwarded ones reach tasks', async () => {
    const { server, output, start } = await stage({ forwarded_env_vars: ['KEPT', 'HTTP_PROXY'] });
    // The server is on loopback, where no proxy is asked.
    start({ HTTP_PROXY: `http://user:${secrets.proxy}@127.0.0.1:9` });
    await eventually(() => server.lines(1).includes('looked'), 60_000);
    const environment = readFileSync(join(output, 'environment'), 'utf8');
    expect(environment).toContain('KEPT=kept\n');
    expect(environment).toContain(`HTTP_PROXY=http://user:${secrets.proxy}@127.0.0.1:9\n`);
    writeFileSync(join(output, 'go'), '');
    await eventually(() => server.status(1) === 'success', 30_000);
  });

  it('warns at every start that certificates are not checked', async () => {
    const { server, start } = await stage({ runner: { connection: { skip_tls_verify: true } } });
    for (const round of [1, 2]) {
      const { child, err } = start();
      const polls = server.polls;
      await eventually(() => server.polls > polls, 60_000);
      expect(err(), `start ${round}`).toMatch(
        /WARN Configuration is doubtful .*the certificate of the server is not checked/,
      );
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });
});
