import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCluster, podRemovalMs, type TestCluster } from '../kubernetes-api/index.ts';
import { needsDocker } from '../support/docker/index.ts';
import { encoded, podImage, podJob, type PodJob, smallImage, tagImages } from './kubernetes-setup.ts';

const large = randomBytes(2_300_000);
const files = [
  { path: '~/.netrc', content: Buffer.from('machine x\n').toString('base64'), mode: '0600' },
  { path: '/opt/a dir/run "it".sh', content: Buffer.from('#!/bin/sh\necho ran\n').toString('base64'), mode: '+x' },
  { path: 'relative/note.txt', content: '', mode: '0644' },
  { path: `deep/${'x'.repeat(200)}`, content: Buffer.from('deep').toString('base64'), mode: '0640' },
  { path: 'large.bin', content: large.toString('base64'), mode: '0644' },
];
const variables = [
  encoded('TWICE', '1'),
  encoded('GREETING', "it's $HOME\n!x"),
  encoded('TWICE', '2'),
  encoded('OVER', 'job'),
];
const hostVariables = [{ name: 'OVER', value: 'host' }];

/** One pod for many looks at what a job finds in it (spec CI 6.3). */
describe.skipIf(!needsDocker())('a job in a pod', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  let job: PodJob;

  beforeAll(async () => {
    await tagImages();
    cluster = await openCluster();
    job = await podJob(cluster, {
      hostVariables,
      request: {
        job_id: '0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10',
        env_vars: variables,
        files,
        compose: {
          containers: [
            { name: 'build', image: podImage, env_vars: [encoded('NODE_ENV', 'te$(HOME)st $$')] },
            {
              name: 'my_db',
              image: smallImage,
              entrypoint: 'sh -c',
              command: `"nc -ll -p 8080 -e sh -c 'echo $DB $(id -u):$(id -g)'"`,
              user: '1234:4321',
              env_vars: [encoded('DB', 'data $(HOME)')],
            },
            { name: 'idle', image: podImage, command: 'sleep 1000', user: 'postgres' },
          ],
        },
      },
    });
    expect(await job.executor.prepare(), job.last().output).toBe(0);
    expect(await job.executor.start(), job.last().output).toBe(0);
  }, 240_000);

  afterAll(async () => {
    await job?.executor.stop();
    await cluster?.close();
  }, 2 * podRemovalMs);

  const run = async (directive: string): Promise<string> => {
    const exitCode = await job.executor.run({ directive });
    return `${job.last().output}= ${exitCode}`;
  };

  it('is shown how its pod and its shell come to be', () => {
    const [created, started] = job.shown;
    expect(created).toEqual({
      directive: 'Creating Kubernetes resources for job...',
      output:
        "Container 'my_db' is reachable as 'my-db': its name is no host name for Kubernetes.\n" +
        "Container 'idle' runs as the user of its image: Kubernetes knows no users by name ('postgres'), only by number.\n",
      exitCode: 0,
    });
    expect(started?.directive).toBe('Starting shell session...');
    expect(started?.exitCode).toBe(0);
    expect(started?.output).toMatch(/^Pod is not ready yet: .*\n(.*\n)*?Pod is ready\.\n/);
    expect(started?.output.replace(/^.*Pod is ready\.\n/s, '')).toBe(
      'Starting a new bash session in the pod...\nShell session is ready.\nUser: root\n' +
        'User identity: uid=0(root) gid=0(root) groups=0(root)\nWorking directory: /root\n',
    );
  });

  it('has a pod and secrets of the names, types and labels of the original', async () => {
    const name = 'semaphore-job-0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10';
    const pod = await job.client.getPod(name);
    expect(pod?.spec.restartPolicy).toBe('Never');
    expect(pod?.spec.containers.map((container) => container.name)).toEqual(['main', 'my-db', 'idle']);
    const secrets = await job.client.listSecrets('agent.semaphore/host');
    expect(secrets.map(({ metadata }) => metadata.name)).toEqual([
      `${name}-secret`,
      `${name}-secret-2`,
      `${name}-secret-3`,
      `${name}-secret-4`,
    ]);
    for (const { type, immutable, metadata } of secrets) {
      expect({ type, immutable }).toEqual({ type: 'Opaque', immutable: true });
      expect(metadata.ownerReferences).toMatchObject([{ kind: 'Pod', name, uid: pod?.metadata.uid }]);
    }
    expect(Object.keys(secrets[0]?.data ?? {})).toContain('.env');
    expect(Object.keys(secrets[0]?.data ?? {})).toContain(Buffer.from('~/.netrc').toString('base64url'));
    // Neither the job's variables nor its files are anywhere else.
    expect(JSON.stringify(pod)).not.toContain('GREETING');
  });

  it('gets its variables in the order of the request, and those of the host, which win', async () => {
    expect(await job.executor.exportVariables(variables, hostVariables)).toBe(0);
    expect(job.last().output).toBe(
      'Exporting TWICE\nExporting GREETING\nExporting TWICE\nExporting OVER\nExporting OVER\n',
    );
    expect(await run('printf "%s|" "$TWICE" "$GREETING" "$OVER"')).toBe("2|it's $HOME\n!x|host|= 0");
  });

  it('gets variables that come later one by one', async () => {
    expect(await job.executor.exportVariables([encoded('SEMAPHORE_JOB_RESULT', "pas'sed")], [])).toBe(0);
    expect(job.last()).toEqual({
      directive: 'Exporting environment variables',
      output: 'Exporting SEMAPHORE_JOB_RESULT\n',
      exitCode: 0,
    });
    expect(await run('bash -c "echo \\$SEMAPHORE_JOB_RESULT"')).toBe("pas'sed\n= 0");
    // The first ones are still there.
    expect(await run('echo $OVER')).toBe('host\n= 0');
  });

  it('gets its files, whatever their names and sizes', async () => {
    const request = files.map((file) => ({ ...file }));
    expect(await job.executor.injectFiles(request), job.last().output).toBe(0);
    expect(job.last().output).toBe(
      'Injecting ~/.netrc with file mode 0600\nInjecting /opt/a dir/run "it".sh with file mode +x\n' +
        `Injecting ~/relative/note.txt with file mode 0644\nInjecting ~/deep/${'x'.repeat(200)} with file mode 0640\n` +
        'Injecting ~/large.bin with file mode 0644\n',
    );
    expect(
      await run(`cd; stat -c '%a %s' .netrc relative/note.txt deep/x* large.bin; "/opt/a dir/run \\"it\\".sh"`),
    ).toBe(`600 10\n644 0\n640 4\n644 ${large.length}\nran\n= 0`);
    const hash = createHash('sha256').update(large).digest('hex');
    expect(await run('sha256sum < ~/large.bin')).toBe(`${hash}  -\n= 0`);
  });

  it('is told which file could not be put where it belongs', async () => {
    expect(await run('mkdir -p ~/relative/note.txt.d; touch ~/blocked')).toBe('= 0');
    expect(await job.executor.injectFiles([{ path: '.netrc/x', content: '', mode: '0644' }])).not.toBe(0);
    expect(job.last().output).toMatch(
      /^Injecting ~\/\.netrc\/x with file mode 0644\nError injecting file ~\/\.netrc\/x: .*(Not a directory|File exists)/,
    );
    expect(await job.executor.injectFiles([{ path: '~/.netrc', content: '', mode: 'bogus' }])).toBe(1);
    expect(job.last().output).toMatch(/Error injecting file ~\/\.netrc: .*bogus/);
  });

  it('has the environment of its container, in which nothing is expanded', async () => {
    expect(await run('echo "$NODE_ENV"')).toBe('te$(HOME)st $$\n= 0');
  });

  it('reaches its side containers by name, with their entrypoint, command, user and variables', async () => {
    expect(await run('until cat </dev/tcp/my-db/8080; do sleep 0.2; done 2>/dev/null')).toBe(
      'data $(HOME) 1234:4321\n= 0',
    );
    expect(await run('getent hosts idle')).toMatch(/^127\.0\.0\.1 +.*idle\n= 0$/);
  });

  it('keeps its shell from command to command, at a terminal without a size', async () => {
    expect(await run('cd /opt; x=1; f() { echo "f $x"; }; alias ll="echo aliased"')).toBe('= 0');
    expect(
      await run('f; ll; pwd; [ -t 0 ] && [ -t 1 ] && stty size; echo "$-"; shopt -q login_shell && echo login'),
    ).toBe('f 1\naliased\n/opt\n0 0\nhimBHs\nlogin\n= 0');
  });

  it('shows alias and warning, several lines, and what a command returns', async () => {
    expect(await job.executor.run({ directive: 'echo a\nfalse', alias: 'Try it', warning: 'Beware.' })).toBe(1);
    expect(job.last()).toEqual({
      directive: 'Try it',
      output: 'Running: echo a\nfalse\nWarning: Beware.\na\n',
      exitCode: 1,
    });
    expect(await run('return 130')).toBe('= 130');
  });

  it('runs commands larger than a line of the terminal takes, of any bytes', async () => {
    const text = 'it\'s \\ "quoted" $HOME `date` !! ä€🙂 \t #'.repeat(700);
    const written = await run(`cat <<'END' | sha256sum\n${text}\nEND\n`);
    const hash = createHash('sha256').update(`${text}\n`).digest('hex');
    expect(written).toBe(`${hash}  -\n= 0`);
  });

  it('shows nothing of how commands are brought there, also with set -x, and keeps it out of the environment', async () => {
    expect(await run('set -x')).toBe('= 0');
    expect(await run('echo traced')).toBe('++ echo traced\ntraced\n= 0');
    expect(await run('set +x; set -a')).toMatch(/= 0$/);
    expect(await run('env | grep -c SEMAPHORE_AGENT_COMMAND')).toBe('0\n= 1');
    expect(await run('set +a')).toBe('= 0');
  });

  it('prints as much as it likes', async () => {
    expect(await job.executor.run({ directive: 'seq 1 300000' })).toBe(0);
    const { output } = job.last();
    expect(output.length).toBe(Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join('').length);
    expect(output.endsWith('299999\n300000\n')).toBe(true);
  });

  it('gives a command that waits for input the end of it', async () => {
    expect(await run('cat; read -r x; echo "read $?"')).toBe('read 1\n= 0');
  });

  it('goes on when a child dies of Ctrl-C, or PROMPT_COMMAND is taken away', async () => {
    expect(await run("bash -c 'kill -INT $$'; echo after")).toMatch(/= \d+$/);
    expect(await run('unset PROMPT_COMMAND; echo x')).toBe('x\n= 0');
    expect(await run('echo y')).toBe('y\n= 0');
  });

  it('is evaluated silently', async () => {
    const before = job.shown.length;
    expect(await job.executor.evaluate('echo quiet; (exit 4)')).toEqual({ output: 'quiet\n', exitCode: 4 });
    expect(job.shown.length).toBe(before);
  });

  // Last: the shell ends here.
  it('that ends its own shell fails with 1 from then on, without a word about the pod', async () => {
    expect(await run('echo bye; exit 0')).toBe('bye\n= 1');
    expect(await run('echo more')).toBe('= 1');
  });

  it('leaves nothing when it is stopped', async () => {
    await job.executor.stop();
    await expect.poll(() => job.client.listPods('agent.semaphore/host'), { timeout: podRemovalMs }).toEqual([]);
    expect(await job.client.listSecrets('agent.semaphore/host')).toEqual([]);
  });
});
