import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ansibleImage, docker, ensureImages } from '../support/docker/index.ts';
import { buildProgram } from '../support/built-program.ts';

const root = join(import.meta.dirname, '../..');
const dockerfile = join(root, 'deploy/docker/Dockerfile');

/** What the Dockerfile's first stage makes stays in the engine, as the test images do: it takes long, and changes seldom. */
const baseImage = 'semaphore-test/node';
const systemImage = 'semaphore-test/system';

/**
 * Builds the image of deploy/docker/Dockerfile under the name `tag`. No registry of images is asked: the base is Debian of the test images
 * with the Node.js that runs this test, and program and packages come from this checkout.
 */
export async function buildImage(tag: string): Promise<void> {
  await ensureImages(ansibleImage);
  const directory = mkdtempSync(join(tmpdir(), 'semaphore-image-test-'));
  try {
    const base = join(directory, 'base');
    mkdirSync(base);
    cpSync(process.execPath, join(base, 'node'));
    writeFileSync(join(base, 'Dockerfile'), `FROM ${ansibleImage}\nCOPY node /usr/local/bin/node\n`);
    await build(['-t', baseImage, base]);
    const context = join(directory, 'context');
    makeContext(context);
    const args = [`BASE_IMAGE=${baseImage}`, 'EXTRA_PACKAGES=', 'PROGRAM=built'].flatMap((arg) => ['--build-arg', arg]);
    await build(['-f', dockerfile, '--target', 'system', '-t', systemImage, ...args, context]);
    // With a name of the test it is removed with the test; without one it would stay.
    await build(['-f', dockerfile, '--target', 'build', '-t', `${tag}-build`, ...args, context]);
    await build(['-f', dockerfile, '-t', tag, ...args, context]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The builder that is in every engine. Packages come by the network of the host, where the mirror can be reached. */
async function build(args: readonly string[]): Promise<void> {
  await docker(['build', '--quiet', '--network', 'host', ...args], { env: { DOCKER_BUILDKIT: '0' } });
}

/** A context that has the program built and its packages installed. */
function makeContext(context: string): void {
  buildProgram(context);
  for (const name of ['package-lock.json', '.npmrc', 'LICENSE', 'schema', 'deploy/docker'])
    cpSync(join(root, name), join(context, name), { recursive: true });
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  for (const [path, { dev }] of Object.entries(packages)) {
    if (path === '' || dev === true || !existsSync(join(root, path))) continue;
    cpSync(join(root, path), join(context, path), {
      recursive: true,
      filter: (source) => !/\.(map|ts)$|\/node_modules\/.*\/node_modules$/.test(source),
    });
  }
}
