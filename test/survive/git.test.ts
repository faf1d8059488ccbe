import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';
import { startGitHttp } from '../support/git-http.ts';
import { TestRepository } from '../support/git-repository.ts';
import { nothing } from '../support/kill-harness/aftermath.ts';
import { pointsOf, randomFrom, sample } from '../support/kill-harness/points.ts';
import { makeTrials, type Trial } from '../support/kill-harness/trials.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { quickScript, scriptTemplate, secretGroup, secrets, tryAll } from './tasks.ts';

/**
 * A runner that is killed while git fetches: over http with a password that git reads from a pipe when it is asked for it, over
 * ssh with a key in the task's agent. Git goes on, and the next runner hands it what it wants.
 */

/** Enough that a fetch is under way for a moment. */
const ballast = Object.fromEntries(
  Array.from({ length: 200 }, (_, index) => [`ballast/${index}`, `${index} ${'x'.repeat(2000 + index)}\n`]),
);

async function overHttp(): Promise<Way> {
  const directory = tempDir();
  const repository = new TestRepository(directory);
  repository.commit({ 'quick.sh': quickScript, ...ballast });
  const credentials = { login: 'reader', password: 'fetch-me-if-you-can' };
  const { origin } = await startGitHttp({ root: directory, credentials });
  return {
    url: `${origin}/origin.git`,
    key: { name: 'git', type: 'login_password', ...credentials },
    secret: credentials.password,
  };
}

async function overSsh(): Promise<Way> {
  const directory = tempDir();
  const repository = new TestRepository(join(directory, 'repository'));
  repository.commit({ 'quick.sh': quickScript, ...ballast });
  const sshd = await startSshd(directory);
  onTestFinished(() => sshd.close());
  const key = makeKey(directory);
  sshd.authorize(key.publicKey);
  return {
    url: `ssh://${sshd.user}@${sshd.host}:${sshd.port}${repository.bare}`,
    key: { name: 'git', type: 'ssh', login: sshd.user, private_key: key.privateKey },
    secret: key.privateKey.split('\n')[1] ?? '',
  };
}

interface Way {
  url: string;
  key: Readonly<Record<string, string>>;
  /** What must be in no file. */
  secret: string;
}

const ways: [string, () => Promise<Way>][] = [['over http, with a password', overHttp]];
if (needs('sshd') && needs('ssh-keygen')) ways.push(['over ssh, with a key in an agent', overSsh]);

describe('a runner that is killed while git fetches', () => {
  it.each(ways)(
    '%s brings the task to the same end',
    async (_, open) => {
      const { key, secret, url } = await open();
      const { complaints, reference } = await makeTrials({
        makeWorld: () =>
          createWorld({
            files: {},
            project: {
              keys: [key],
              repositories: [{ name: 'main', git_url: url, key: 'git' }],
              variable_groups: [secretGroup],
              templates: [scriptTemplate(1, 'quick.sh')],
            },
          }),
        taskIn: (world) => ({ world, template: 1, secrets: [...secrets, secret] }),
        lanes: 2,
        choose: (trace) => {
          const around: Trial[] = [
            { ends: [{ label: 'event step-starting clone-fetch', nth: 1, moment: 'after' }], mustReach: true },
            { ends: [{ label: 'spawn sh git', nth: 1, moment: 'after', once: 'event step-starting clone-fetch' }] },
            { ends: [{ label: 'event step-started clone-fetch', nth: 1, moment: 'after' }], mustReach: true },
            {
              ends: [
                { label: 'event step-started clone-fetch', nth: 1, moment: 'after' },
                { label: 'event step-ended clone-fetch', nth: 1, moment: 'before' },
              ],
              mustReach: true,
            },
          ];
          const all = pointsOf(trace).map((point): Trial => ({ ends: [point] }));
          return [...around, ...(tryAll ? all : sample(all, 1, randomFrom(2)))];
        },
      });
      expect(reference).toMatchObject({ status: 'success', marks: ['started', 'ended'], left: nothing });
      expect(complaints).toEqual([]);
    },
    900_000,
  );
});
