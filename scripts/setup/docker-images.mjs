#!/usr/bin/env node
// The images that the tests run containers of. No registry of images is asked: they are made of Debian packages, and stay in the
// engine as a cache. `node scripts/setup/docker-images.mjs [busybox] [debian] [ansible]` makes what is missing.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { run } from './command.mjs';
import { StepError } from './console.mjs';
import { engineDirectory } from './docker-engine.mjs';
import { withLock } from './lock.mjs';
import { findTool } from './tools.mjs';

const execute = promisify(execFile);

/** An image whose label says another recipe is made anew: count up when anything here changes what is in an image. */
const recipe = '1';
const label = 'semaphore-test.recipe';

const release = 'bookworm';
const usualMirror = 'http://deb.debian.org/debian';
const debianPackages = ['bash', 'ca-certificates', 'git', 'openssh-client', 'procps', 'python3-minimal'];

/** Everybody's user 1001, for tests of containers without root. */
const user = { id: 1001, name: 'runner' };

const makers = { busybox: makeBusybox, debian: makeDebian, ansible: makeAnsible };

export const imageNames = Object.keys(makers);

/** Makes the images `semaphore-test/<name>` that are not in the engine, and returns the names of those. Throws StepError. */
export async function ensureImages(names = imageNames) {
  if ((await missingOf(names)).length === 0) return [];
  const made = [];
  // One build at a time on the machine, whichever checkout or test process asks.
  await withLock(join(engineDirectory, 'images.lock'), async () => {
    // ansible is debian and a layer.
    const wanted = names.includes('ansible') ? [...new Set(['debian', ...names])] : names;
    for (const name of await missingOf(wanted)) {
      const image = `semaphore-test/${name}`;
      const former = await inspect(image, '{{.Id}}');
      await makers[name](image);
      // Without its name the former one would stay for ever. A container that still uses it keeps it.
      if (former) await execute('docker', ['rmi', former]).catch(() => undefined);
      made.push(name);
    }
  });
  return made;
}

async function missingOf(names) {
  const format = `{{index .Config.Labels "${label}"}}`;
  const found = await Promise.all(names.map((name) => inspect(`semaphore-test/${name}`, format)));
  return names.filter((_, index) => found[index] !== recipe);
}

async function inspect(image, format) {
  try {
    const { stdout } = await execute('docker', ['image', 'inspect', '--format', format, image]);
    return stdout.trim();
  } catch {
    return undefined; // Not there, or without labels; an engine that is away is told by what makes the image.
  }
}

/** Nothing but the applets of one static program: `sh`, no bash. */
async function makeBusybox(image) {
  await inRoot(async (root, scratch) => {
    const busybox = await staticBusybox(scratch);
    for (const directory of ['bin', 'etc', 'root', 'tmp', `home/${user.name}`])
      mkdirSync(join(root, directory), { recursive: true });
    copyFileSync(busybox, join(root, 'bin/busybox'));
    const { stdout } = await execute(busybox, ['--list']);
    for (const applet of stdout.trim().split('\n'))
      if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(
      join(root, 'etc/passwd'),
      `root:x:0:0:root:/root:/bin/sh\n${user.name}:x:${user.id}:${user.id}::/home/${user.name}:/bin/sh\n`,
    );
    writeFileSync(join(root, 'etc/group'), `root:x:0:\n${user.name}:x:${user.id}:\n`);
    await shell(
      `chmod 1777 tmp && chmod 755 bin/busybox . && chown ${user.id}:${user.id} home/${user.name}`,
      root,
      image,
    );
    await importRoot(root, image, 'CMD ["sh"]');
  });
}

/** The installed one if it needs no libraries, else that of the package, unpacked without being installed. */
async function staticBusybox(scratch) {
  const installed = findTool('busybox');
  if (installed && !readFileSync(installed).includes('/ld-')) return installed;
  await run('sh', ['-c', 'apt-get -q download busybox-static && dpkg-deb -x busybox-static_*.deb unpacked'], {
    title: 'busybox-static',
    cwd: scratch,
    hint: 'A busybox without libraries could not be fetched. Install the package busybox-static.',
  });
  const [found] = ['unpacked/bin/busybox', 'unpacked/usr/bin/busybox']
    .map((path) => join(scratch, path))
    .filter(isFile);
  if (!found) throw new StepError('the package busybox-static has no busybox');
  return found;
}

/** What a person's build image has: bash, git, ssh, Python; no documentation and no translations. */
async function makeDebian(image) {
  if (process.getuid?.() !== 0 || !findTool('debootstrap')) {
    throw new StepError(`${image} can be made by root with debootstrap only`, {
      hint: 'Install debootstrap and run the same command as root once; the image stays in the engine.',
    });
  }
  const mirror = await findMirror();
  const env = { ...process.env, ...(await aptProxy()) };
  await inRoot(async (root) => {
    const include = `--include=${debianPackages.join(',')}`;
    await run('debootstrap', ['--variant=minbase', include, release, root, mirror], {
      title: 'debootstrap',
      env,
      hint: `${mirror} could not be installed from.`,
    });
    const small =
      'rm -rf usr/share/doc/* usr/share/man/* usr/share/locale/* usr/share/info/* var/lib/apt/lists/* var/cache/apt/* var/log/*';
    await shell(
      `${small} && chroot . useradd --uid ${user.id} --create-home --shell /bin/bash ${user.name}`,
      root,
      image,
    );
    await importRoot(root, image, 'CMD ["bash"]');
  });
}

/** Where this machine has its own packages from, which may be the only one that it can reach. */
async function findMirror() {
  const format = ['--format', '$(LABEL) $(SITE)', 'Created-By: Packages'];
  const sites = await execute('apt-get', ['indextargets', ...format]).catch(() => ({ stdout: '' }));
  return /^Debian (\S+)$/m.exec(sites.stdout)?.[1] ?? usualMirror;
}

/** The proxy that only apt has been told of, as a variable for others. */
async function aptProxy() {
  const told = await execute('apt-config', ['shell', 'proxy', 'Acquire::http::Proxy']).catch(() => ({ stdout: '' }));
  const proxy = /^proxy='(.+)'$/m.exec(told.stdout)?.[1];
  return proxy === undefined ? {} : { http_proxy: proxy };
}

/** debian and Ansible, as a layer of its own. The network is the host's, where the mirror can be reached as for the host. */
async function makeAnsible(image) {
  const container = `semaphore-test-image-${process.pid}`;
  const pages = ['doc', 'man'].map((name) => `-o Dpkg::Options::=--path-exclude="/usr/share/${name}/*"`).join(' ');
  const { http_proxy: proxy = process.env.http_proxy ?? '' } = await aptProxy();
  const install = [
    // Not a variable of the container: it would become one of the image.
    `export DEBIAN_FRONTEND=noninteractive http_proxy='${proxy}'`,
    'apt-get -q update',
    `apt-get -q install --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io ${pages} ansible-core`,
    'rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*',
  ].join(' && ');
  try {
    const start = ['run', '--name', container, '--network', 'host', 'semaphore-test/debian'];
    await run('docker', [...start, 'sh', '-c', install], {
      title: 'image ansible',
      hint: 'Ansible could not be installed in a container.',
    });
    const change = ['--change', `LABEL ${label}=${recipe}`, '--change', 'CMD ["bash"]'];
    await run('docker', ['commit', ...change, container, image], { title: 'docker commit' });
  } finally {
    await execute('docker', ['rm', '--force', container]).catch(() => undefined);
  }
}

async function importRoot(root, image, command) {
  const path = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const change = [`LABEL ${label}=${recipe}`, path, command].flatMap((line) => ['--change', line]);
  const archive = `${root}.tar`;
  await run('tar', ['--numeric-owner', '-C', root, '-cf', archive, '.'], { title: 'tar' });
  await run('docker', ['import', ...change, archive, image], {
    title: `docker import ${image}`,
    hint: 'Is the Docker engine running? `docker info` says.',
  });
}

async function shell(script, cwd, image) {
  await run('sh', ['-ec', script], { title: `prepare ${image}`, cwd });
}

/** A new root file system to be, and a directory for what it is made of; both are removed. */
async function inRoot(work) {
  const scratch = mkdtempSync(join(tmpdir(), 'semaphore-image-'));
  const root = join(scratch, 'root');
  mkdirSync(root, { mode: 0o755 });
  try {
    await work(root, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function isFile(path) {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const names = process.argv.slice(2);
    const made = await ensureImages(names.length > 0 ? names : undefined);
    if (made.length > 0) console.log(`made ${made.join(', ')}`);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    process.stderr.write(
      `${[error.message, error.log && `see ${error.log}`, error.hint].filter(Boolean).join('\n')}\n`,
    );
    process.exitCode = 1;
  }
}
