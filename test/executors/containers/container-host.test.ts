import { beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage, debianImage, dockerNames, ensureImages, needsDocker } from '../../support/docker/index.ts';
import { containerTask, script, sharedContainers } from '../../support/containers/index.ts';

describe.runIf(needsDocker())('steps in containers', { timeout: 120_000 }, () => {
  const owner = dockerNames('steps');
  beforeAll(() => ensureImages(busyboxImage, debianImage), 600_000);

  describe.each([busyboxImage, debianImage])('of %s', (image) => {
    const { open } = sharedContainers(owner, image);

    it('writes its output, both streams in their order, and ends with its code', async () => {
      const task = await containerTask(await open());
      const { host } = task.live();
      const step = script('run', 'echo out; echo err >&2; echo named >/dev/stderr; echo too >/dev/stdout; exit 7');
      expect(await host.run(step)).toEqual({ kind: 'exited', code: 7 });
      expect(task.log()).toBe('out\nerr\nnamed\ntoo\n');
    });
  });
});
