import { execa } from 'execa';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDockerConfig } from '../../../src/executors/registry-credentials/index.ts';
import { keepingLogger } from '../../agent/job-setup.ts';
import {
  busyboxImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
  pushImage,
  startRegistry,
} from '../../support/docker/index.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { genericCredential, logInto, standIns } from './support.ts';

function configFor(env: Record<string, string>): {
  path: string;
  content: unknown;
  agentLog: string[];
  remove: () => Promise<void>;
} {
  const agentLog: string[] = [];
  const { path, remove } = createDockerConfig(env, keepingLogger(agentLog));
  onTestFinished(remove);
  return { path, content: JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')), agentLog, remove };
}

function homeWith(config: string): string {
  const home = tempDir();
  mkdirSync(join(home, '.docker'));
  writeFileSync(join(home, '.docker/config.json'), config);
  return home;
}

describe('the Docker configuration of a job', () => {
  it('is for us alone, and is gone after the job', async () => {
    const { path, remove } = configFor({ HOME: tempDir() });
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(path, 'config.json')).mode & 0o777).toBe(0o600);
    await remove();
    expect(existsSync(path)).toBe(false);
  });

  it('has what the user of the agent has: logins, helpers, plug-ins, contexts', () => {
    const auths = { 'r.test': { auth: 'YTpi' } };
    const home = homeWith(JSON.stringify({ auths, credHelpers: { 'ecr.test': 'ecr-login' }, currentContext: 'far' }));
    mkdirSync(join(home, '.docker/cli-plugins'));
    writeFileSync(join(home, '.docker/cli-plugins/docker-compose'), '');
    const { path, content } = configFor({ HOME: home });
    expect(content).toMatchObject({ auths, credHelpers: { 'ecr.test': 'ecr-login' }, currentContext: 'far' });
    expect(readdirSync(join(path, 'cli-plugins'))).toEqual(['docker-compose']);
    expect(configFor({ HOME: '/nowhere', DOCKER_CONFIG: join(home, '.docker') }).content).toEqual(content);
  });

  it('reads the key chain of the user, for what is in it, and has none to write to', () => {
    const auths = { 'in.test': {}, 'out.test': { auth: 'YTpi' } };
    const { content } = configFor({ HOME: homeWith(JSON.stringify({ auths, credsStore: 'pass' })) });
    expect(content).toMatchObject({ credHelpers: { 'in.test': 'pass' } });
    expect(content).not.toHaveProperty('credsStore');
  });

  it('does without one of the user that is not JSON', () => {
    const { content, agentLog } = configFor({ HOME: homeWith('{') });
    expect(content).toMatchObject({ credHelpers: {} });
    expect(agentLog.join()).toContain('cannot be read');
  });
});

describe.runIf(needsDocker())('a login', () => {
  const name = dockerNames('config');

  it("is never written to the key chain or the configuration of the agent's user", async () => {
    await ensureImages(busyboxImage);
    const registry = await startRegistry({ user: 'ann', password: 'pw' });
    onTestFinished(() => registry.stop());
    const image = await pushImage(busyboxImage, registry, `${name}/private`);
    const calls = join(tempDir(), 'calls');
    // Stands in for the key chains that docker looks for on Linux.
    const helper = `#!/bin/sh\necho "$0 $*" >> ${calls}\ncat > /dev/null\n`;
    const helpers = Object.fromEntries(
      ['pass', 'secretservice', 'mine'].map((word) => [`docker-credential-${word}`, helper]),
    );
    const bin = standIns({ pass: '#!/bin/sh\n', ...helpers });
    const own = JSON.stringify({ auths: { [registry.address]: {} }, credsStore: 'mine' });
    for (const home of [tempDir(), homeWith(own)]) {
      const before = existsSync(join(home, '.docker')) ? own : undefined;
      const { exitCode, config } = await logInto([genericCredential(registry.address, 'ann', 'pw')], {
        bin,
        env: { HOME: home },
      });
      expect(exitCode).toBe(0);
      expect(existsSync(calls)).toBe(false);
      if (before === undefined) expect(readdirSync(home)).toEqual([]);
      else expect(readFileSync(join(home, '.docker/config.json'), 'utf8')).toBe(own);
      await docker(['pull', '--quiet', image], { env: { DOCKER_CONFIG: config } });
      await docker(['rmi', image]);
    }
  }, 120_000);

  it('serves docker compose', async () => {
    const registry = await startRegistry({ user: 'ann', password: 'pw' });
    onTestFinished(() => registry.stop());
    const image = await pushImage(busyboxImage, registry, `${name}/compose`);
    const { config } = await logInto([genericCredential(registry.address, 'ann', 'pw')]);
    const file = join(tempDir(), 'compose.yml');
    writeFileSync(file, `version: "2.0"\nservices:\n  main:\n    image: ${image}\n`);
    const env = { ...process.env, DOCKER_CONFIG: config };
    // The plug-in where there is one.
    const { failed } = await execa('docker', ['compose', 'version'], { reject: false });
    const [command, ...args] = failed ? ['docker-compose'] : ['docker', 'compose'];
    await execa(command, [...args, '-p', name, '-f', file, 'pull'], { env, stdin: 'ignore' });
    expect(await docker(['images', '--quiet', image])).not.toBe('');
    await docker(['rmi', image]);
  }, 120_000);
});
