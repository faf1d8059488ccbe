import { beforeAll, describe, expect, it } from 'vitest';
import { ContainerFiles } from '../../../src/executors/containers/container-files.ts';
import type { TaskContainers } from '../../../src/executors/containers/engine.ts';
import { outputOf, sharedContainers } from '../../support/containers/index.ts';
import { busyboxImage, debianImage, dockerNames, ensureImages, needsDocker } from '../../support/docker/index.ts';

describe.runIf(needsDocker())('files in containers', { timeout: 120_000 }, () => {
  const owner = dockerNames('files');
  beforeAll(() => ensureImages(busyboxImage, debianImage), 600_000);

  describe.each([
    ['busybox', busyboxImage],
    ['Debian', debianImage],
  ])('of %s', (_name, image) => {
    const shared = sharedContainers(owner, () => image);
    let containers: TaskContainers;
    let execs = 0;
    let files: ContainerFiles;
    beforeAll(async () => {
      containers = await shared.open();
      const counted: TaskContainers = {
        name: containers.name,
        remove: () => Promise.resolve(),
        exec: (role, request) => {
          execs += 1;
          return containers.exec(role, request);
        },
      };
      files = new ContainerFiles({ containers: counted });
      await outputOf(
        containers,
        'cd /workspace; mkdir "a dir"; echo one > "a dir/one"; ln -s "a dir" link; ln -s nowhere broken; mkfifo pipe; echo x > "a dir/.hidden"; echo "#!" > tool; chmod 755 tool; echo other > other; chown 1234 other',
      );
    }, 120_000);

    it('are what they are, and many are asked for at once', async () => {
      const before = execs;
      const kinds = await Promise.all([
        files.kindOf('/workspace/a dir'),
        files.kindOf('/workspace/link'),
        files.kindOf('/workspace/link', 'tell'),
        files.kindOf('/workspace/broken'),
        files.kindOf('/workspace/broken', 'tell'),
        files.kindOf('/workspace/a dir/one'),
        files.kindOf('/workspace/pipe'),
        files.kindOf("/workspace/it's not"),
      ]);
      expect(kinds).toEqual(['directory', 'directory', 'link', undefined, 'link', 'file', 'other', undefined]);
      expect(execs - before).toBe(1);
      expect((await files.list('/workspace/a dir')).toSorted()).toEqual(['.hidden', 'one']);
      expect(await files.list('/workspace/none')).toEqual([]);
      expect(await files.realPath('/workspace/link/one')).toBe('/workspace/a dir/one');
      await expect(files.realPath('/workspace/broken')).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('hold every byte that is written', async () => {
      const bytes = Buffer.from(Array.from({ length: 1024 }, (_value, index) => index % 256));
      const texts = { plain: "it's 100% \\n -e\n\n", dash: '-----BEGIN\n', empty: '' };
      await Promise.all([
        files.write('/workspace/bytes', bytes, 0o640),
        ...Object.entries(texts).map(([name, text]) => files.write(`/workspace/${name}`, text, 0o600)),
      ]);
      expect(await files.read('/workspace/bytes')).toEqual(bytes);
      expect(await files.read('/workspace/bytes', 300)).toEqual(bytes.subarray(0, 300));
      for (const [name, text] of Object.entries(texts)) {
        expect((await files.read(`/workspace/${name}`))?.toString()).toBe(text);
      }
      expect(await outputOf(containers, 'cd /workspace; stat -c %a bytes dash')).toBe('640\n600\n');
      await files.write('/workspace/bytes', 'new', 0o777);
      expect(await outputOf(containers, 'cd /workspace; cat bytes; stat -c %a bytes')).toBe('new640\n');
      const large = 'a line of text\n'.repeat(100_000);
      await files.write('/workspace/large', large, 0o600);
      expect((await files.read('/workspace/large'))?.toString() === large).toBe(true);
    });

    it('are refused with the name that the system has for it', async () => {
      expect(await files.read('/workspace/none')).toBeUndefined();
      expect(await files.readOwn('/workspace/none')).toBeUndefined();
      expect(await files.read('/workspace/pipe')).toEqual(Buffer.alloc(0));
      const refused = (work: Promise<unknown>) => work.then(String, (error: { code?: string }) => error.code);
      expect(
        await Promise.all([
          refused(files.read('/workspace/a dir')),
          refused(files.readOwn('/workspace/link/../broken')),
          refused(files.readOwn('/workspace/pipe')),
          refused(files.readOwn('/workspace/other')),
          refused(files.write('/workspace/link', 'x', 0o600)),
          refused(files.write('/workspace/broken', 'x', 0o600)),
          refused(files.write('/workspace/none/file', 'x', 0o600)),
          refused(files.write('/workspace/a dir', 'x', 0o600)),
        ]),
      ).toEqual(['EISDIR', 'ELOOP', 'EINVAL', 'EPERM', 'ELOOP', 'ELOOP', 'ENOENT', 'EISDIR']);
    });

    it('can be private, and are written once or anew', async () => {
      await files.putPrivate([{ path: '/secrets/ssh/config', content: 'one' }]);
      await files.putNew('/secrets/ssh/config', 'two');
      expect((await files.readOwn('/secrets/ssh/config'))?.toString()).toBe('one');
      await files.putPrivate([{ path: '/secrets/ssh/config', content: 'three' }]);
      expect(await outputOf(containers, 'cat /secrets/ssh/config; stat -c %a /secrets/ssh /secrets/ssh/config')).toBe(
        'three700\n600\n',
      );
      await files.remove('/secrets/ssh/config');
      await files.remove('/secrets/ssh/config');
      expect(await files.kindOf('/secrets/ssh/config')).toBeUndefined();
    });

    it('are found as a shell finds its commands', async () => {
      expect((await files.which('tool', '/nowhere::/workspace', '/'))?.path).toBe('/workspace/tool');
      expect((await files.which('./tool', '', '/workspace'))?.path).toBe('/workspace/./tool');
      expect(await files.which('large', '/workspace', '/')).toBeUndefined();
      expect(await files.which('tool', '', '/workspace')).toBeUndefined();
    });
  });
});
