import { spawnSync } from 'node:child_process';
import { toolPath } from '../tools.ts';
import { debianImage } from './images.ts';

/** An engine under the load of a whole suite may take its time. */
const ANSWER_MS = 30_000;

let answer: { problem: string | undefined } | undefined;

/**
 * True when a Docker engine answers and our images are in it or can be made. Otherwise: throws where `CI` is set, because a test that is
 * left out there looks like one that passed; elsewhere prints a loud line and returns false, for `describe.runIf(needsDocker())`.
 */
export function needsDocker(): boolean {
  answer ??= { problem: findProblem() };
  const { problem } = answer;
  if (problem === undefined) return true;
  const text = `${problem}: the tests that need containers are not run. \`npm test\` as root on Debian or Ubuntu brings what they need.`;
  if (process.env.CI && process.env.CI !== 'false') throw new Error(text);
  process.stderr.write(`\n!!! ${text}\n\n`);
  return false;
}

function findProblem(): string | undefined {
  // `npm test` has tried.
  const left = process.env['TESTS_WITHOUT_CONTAINERS'];
  if (left !== undefined && left !== '') return left;
  if (toolPath('docker') === undefined) return 'docker is not installed';
  const engine = ask('version', '--format', '{{.Server.Version}}');
  if (engine.status !== 0) return `no Docker engine answers (${engine.text})`;
  if (ask('image', 'inspect', '--format', '{{.Id}}', debianImage).status === 0) return undefined;
  const canMake = process.getuid?.() === 0 && toolPath('debootstrap') !== undefined;
  return canMake ? undefined : `the image ${debianImage} is not there, and only root with debootstrap can make it`;
}

function ask(...args: string[]): { status: number | null; text: string } {
  const { status, stderr, error } = spawnSync('docker', args, { encoding: 'utf8', timeout: ANSWER_MS });
  return { status, text: error?.message ?? stderr.trim() };
}
