import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  ansibleImage,
  busyboxImage,
  debianImage,
  docker,
  ensureImages,
  needsDocker,
  pushImage,
  removeDockerThings,
  startRegistry,
  uniqueName,
} from '../support/docker/index.ts';

/** What the tests with containers stand on. */

describe.runIf(needsDocker())('for the tests with containers', () => {
  beforeAll(() => ensureImages(busyboxImage, debianImage, ansibleImage), 600_000);

  it.each([
    [busyboxImage, 'sh', 'bash git python3'],
    [debianImage, 'sh bash git ssh python3 ps', 'ansible-playbook'],
    [ansibleImage, 'sh bash git ssh python3 ps ansible-playbook', 'docker'],
  ])('%s has %s, not %s, and a user without rights', async (image, present, absent) => {
    const script = `for tool in ${present} ${absent}; do command -v $tool > /dev/null && echo $tool; done; id -u; cd ~ && touch file`;
    const output = await docker([
      'run',
      '--rm',
      '--network',
      'none',
      '--user',
      'runner',
      '--env',
      'HOME=/home/runner',
      image,
      'sh',
      '-c',
      script,
    ]);
    expect(output.split('\n')).toEqual([...present.split(' '), '1001']);
  });

  it('everything of one name is removed, and nothing of another', async () => {
    const [mine, other] = [uniqueName('mine'), dockerNamesOfTest('other')];
    for (const name of [mine, other]) {
      await docker(['volume', 'create', `${name}-volume`]);
      await docker([
        'network',
        'create',
        '--label',
        `com.docker.compose.project=${name}`,
        uniqueName(`${name.slice(-10)}-net`),
      ]);
      await docker(['tag', busyboxImage, `${name}:1`]);
      await docker([
        'run',
        '--detach',
        '--network',
        'none',
        '--name',
        `${name}-c`,
        '--volume',
        `${name}-volume:/data`,
        busyboxImage,
        'sleep',
        '600',
      ]);
    }
    await removeDockerThings(mine);
    expect(await listing()).not.toContain(mine);
    expect((await listing()).split(other)).toHaveLength(5);
  });

  it('a registry gives what was pushed to those with the password only', async () => {
    const registry = await startRegistry({ user: 'ann', password: 'pw' });
    onTestFinished(() => registry.stop());
    const image = await pushImage(busyboxImage, registry, 'team/box');
    await expect(docker(['pull', image])).rejects.toThrow('no basic auth credentials');
    const open = await startRegistry();
    onTestFinished(() => open.stop());
    const free = await pushImage(busyboxImage, open, 'team/box');
    await docker(['pull', '--quiet', free]);
    await removeDockerThings(free);
  });
});

function dockerNamesOfTest(what: string): string {
  const name = uniqueName(what);
  onTestFinished(() => removeDockerThings(name), 120_000);
  return name;
}

async function listing(): Promise<string> {
  const lists = [
    ['ps', '--all', '--format', '{{.Names}}'],
    ['volume', 'ls', '--quiet'],
    ['network', 'ls', '--format', '{{.Name}} {{.Labels}}'],
    ['images', '--format', '{{.Repository}}'],
  ];
  return (await Promise.all(lists.map((list) => docker(list)))).join('\n');
}
