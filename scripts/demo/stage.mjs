// The demo's stage: a directory in the system's temporary directory with a git repository, a server file and a runner's
// configuration, and nothing outside of it.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { isolatedEnv } from '../setup/environment.mjs';
import { root } from '../setup/paths.mjs';

const execute = promisify(execFile);

/** Builds the stage. `remove()` takes all of it away again and may be called at any time, more than once. */
export async function buildStage() {
  const directory = await mkdtemp(join(tmpdir(), 'semaphore-demo-'));
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  try {
    return { directory, remove, ...(await furnish(directory)) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function furnish(directory) {
  const repository = join(directory, 'repository');
  await cp(join(root, 'demo', 'repository'), repository, { recursive: true });
  const commit = await makeRepository(repository);

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const secrets = {
    DEMO_API_TOKEN: randomBytes(24).toString('hex'),
    DEMO_REGISTRATION_TOKEN: randomBytes(24).toString('hex'),
    DEMO_DATABASE_PASSWORD: randomBytes(8).toString('hex'),
  };
  const serverFile = join(directory, 'server.yaml');
  const text = await readFile(join(root, 'demo', 'server.yaml'), 'utf8');
  const places = { PORT: String(port), REPOSITORY_URL: pathToFileURL(repository).href };
  await writeFile(
    serverFile,
    text.replaceAll(/@([A-Z_]+)@/g, (whole, name) => places[name] ?? whole),
  );

  await mkdir(join(directory, 'output'));
  const runnerFile = join(directory, 'runner.json');
  const runner = {
    web_host: url,
    tmp_path: join(directory, 'work'),
    // Ansible would leave a directory in the home of the person who runs the demo.
    env_vars: { DEMO_OUTPUT: join(directory, 'output'), ANSIBLE_REMOTE_TMP: join(directory, 'ansible') },
    runner: { name: 'demo', max_parallel_tasks: 2, token_file: join(directory, 'runner.token') },
  };
  await writeFile(runnerFile, `${JSON.stringify(runner, undefined, 2)}\n`);

  // The tools of the tasks keep files in HOME (~/.ansible); it is on the stage, too.
  const home = join(directory, 'home');
  await mkdir(home);
  const env = { ...isolatedEnv(), HOME: home, ...secrets };
  return { url, secrets, serverFile, runnerFile, env, commit };
}

async function makeRepository(repository) {
  const git = (...args) => execute('git', args, { cwd: repository, env: isolatedEnv() });
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  const author = ['-c', 'user.name=Demo', '-c', 'user.email=demo@localhost'];
  await git(...author, 'commit', '--quiet', '--message=Greet from Ansible, back up with Bash');
  return (await git('rev-parse', '--short', 'HEAD')).stdout.trim();
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
