import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

/** The set-up that `npm run demo`, `npm test` and `npm run bench` share, in copies of the checkout and with stand-ins for npm and apt. */

const root = join(import.meta.dirname, '../..');

interface Ran {
  code: number | null;
  output: string;
}

/** Runs a script of the copy (or an expression on one of its modules). */
function node(checkout: string, args: string[], env: Record<string, string> = {}): Ran {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^CI$|COLOR/i.test(name)));
  const result = spawnSync(process.execPath, args, { cwd: checkout, env: { ...clean, ...env }, encoding: 'utf8' });
  return { code: result.status, output: result.stdout + result.stderr };
}

function evaluate(checkout: string, module: string, expression: string, env: Record<string, string> = {}): Ran {
  const code = `const m = await import(${JSON.stringify(pathToFileURL(join(checkout, module)).href)}); console.log(JSON.stringify(await ${expression}));`;
  return node(checkout, ['--input-type=module', '-e', code], env);
}

/** A checkout with everything that the build reads; packages are those of the real one. */
function copyCheckout(): string {
  const checkout = tempDir('semaphore-checkout-');
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'bin', 'scripts', 'src']) {
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  }
  return checkout;
}

function standIn(directory: string, name: string, script: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), script);
  chmodSync(join(directory, name), 0o755);
}

describe('the version of Node.js', () => {
  it.each(['20.19.0', '20.20.2', '22.12.0', '23.0.0', '26.10.0'])('%s is accepted', (version) => {
    const { output } = evaluate(root, 'scripts/setup/node-version.mjs', `m.checkNodeVersion('${version}')`);
    expect(output.trim()).toBe(`"${version}"`);
  });

  it.each(['18.20.4', '20.18.9', '21.7.3', '22.11.0'])('%s is refused, with what is needed', (version) => {
    const { code, output } = evaluate(root, 'scripts/setup/node-version.mjs', `m.checkNodeVersion('${version}')`);
    expect(code).toBe(1);
    expect(output).toContain(`this is Node.js ${version}; semaphore needs 20.19, 22.12 or newer`);
  });
});

describe('npm packages', () => {
  const fakeNpm = `
    const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
    appendFileSync('npm-calls', process.argv.slice(2).join(' ') + '\\n');
    if (process.env.FAIL) { console.error('npm error network unreachable'); process.exit(1); }
    mkdirSync('node_modules/left-pad', { recursive: true });
    writeFileSync('node_modules/left-pad/package.json', '{}');
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    delete lock.packages['node_modules/other-platform'];
    writeFileSync('node_modules/.package-lock.json', JSON.stringify(lock));
  `;

  function checkoutWithFakeNpm() {
    const checkout = tempDir('semaphore-checkout-');
    cpSync(join(root, 'scripts'), join(checkout, 'scripts'), { recursive: true });
    const lock = {
      packages: {
        '': {},
        'node_modules/left-pad': { version: '1.0.0' },
        'node_modules/other-platform': { version: '1.0.0', optional: true },
      },
    };
    writeFileSync(join(checkout, 'package-lock.json'), JSON.stringify(lock));
    standIn(checkout, 'npm-cli.js', fakeNpm);
    const install = (env: Record<string, string> = {}) =>
      evaluate(checkout, 'scripts/setup/dependencies.mjs', 'm.installDependencies()', {
        npm_execpath: join(checkout, 'npm-cli.js'),
        ...env,
      });
    const calls = () =>
      existsSync(join(checkout, 'npm-calls'))
        ? readFileSync(join(checkout, 'npm-calls'), 'utf8').trim().split('\n')
        : [];
    return { checkout, lock, install, calls };
  }

  it('are installed once, with what the build needs, and then left alone', () => {
    const { install, calls } = checkoutWithFakeNpm();
    expect(install({ NODE_ENV: 'production' }).output).toContain('installed');
    expect(calls()).toEqual([expect.stringMatching(/^ci --include=dev --include=optional --ignore-scripts /)]);
    expect(install().output).toContain('up to date');
    expect(calls()).toHaveLength(1);
  });

  it('that somebody installed by hand are recognised as good', () => {
    const { checkout, lock, install, calls } = checkoutWithFakeNpm();
    mkdirSync(join(checkout, 'node_modules/left-pad'), { recursive: true });
    writeFileSync(join(checkout, 'node_modules/left-pad/package.json'), '{}');
    const installed = { packages: { 'node_modules/left-pad': lock.packages['node_modules/left-pad'] } };
    writeFileSync(join(checkout, 'node_modules/.package-lock.json'), JSON.stringify(installed));
    expect(install().output).toContain('up to date');
    expect(calls()).toEqual([]);
  });

  it('are installed anew when the lock file asks for another version, or an install was cut short', () => {
    const { checkout, lock, install, calls } = checkoutWithFakeNpm();
    install();
    lock.packages['node_modules/left-pad'].version = '2.0.0';
    writeFileSync(join(checkout, 'package-lock.json'), JSON.stringify(lock));
    expect(install().output).toContain('installed');
    writeFileSync(join(checkout, 'node_modules/.package-lock.json'), '{"packages": {');
    writeFileSync(join(checkout, 'package-lock.json'), `${JSON.stringify(lock)}\n`);
    expect(install().output).toContain('installed');
    expect(calls()).toHaveLength(3);
  });

  it('that cannot be had end in one line, the end of the log and what to do', () => {
    const { checkout } = checkoutWithFakeNpm();
    const { code, output } = node(checkout, ['scripts/setup.mjs'], {
      npm_execpath: join(checkout, 'npm-cli.js'),
      FAIL: '1',
    });
    expect(code).toBe(1);
    expect(output).toContain('✗ dependencies   npm ci failed (exit code 1)');
    expect(output).toContain('    npm error network unreachable');
    expect(output).toContain('Check the network and the npm configuration');
    expect(output).not.toContain('    at ');
  });
});

describe('the build', () => {
  it('is made when a source differs from the last one, whatever the clock says', () => {
    const checkout = copyCheckout();
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
    const build = () => evaluate(checkout, 'scripts/setup/bundle.mjs', 'm.buildBundle()').output.trim();
    expect(build()).toBe('"built"');
    expect(node(checkout, ['bin/semaphore', '--version']).output).toMatch(/^semaphore \d+\.\d+\.\d+/);
    expect(build()).toBe('"up to date"');

    utimesSync(join(checkout, 'src/main.ts'), new Date(), new Date());
    expect(build()).toBe('"up to date"');

    const main = join(checkout, 'src/main.ts');
    const old = new Date('2020-01-01');
    writeFileSync(main, `${readFileSync(main, 'utf8')}// changed\n`);
    utimesSync(main, old, old);
    expect(build()).toBe('"built"');
  });
});

describe('tools of the system', () => {
  const install = (bin: string, wanted: string[]) =>
    evaluate(root, 'scripts/setup/tools.mjs', `m.installTools(${JSON.stringify(wanted)})`, { PATH: bin }).output;

  it('that are there cost nothing', () => {
    const bin = tempDir();
    standIn(bin, 'git', '#!/bin/sh\n');
    expect(JSON.parse(install(bin, ['git']))).toEqual({ text: 'git', missing: [] });
  });

  it('may be elsewhere: compose in a plug-in of docker, the engine where docker finds it', () => {
    const bin = tempDir();
    const docker = (script: string) => standIn(bin, 'docker', `#!/bin/sh\n${script}\n`);
    docker('exit 0');
    expect(JSON.parse(install(bin, ['docker-compose', 'dockerd']))).toMatchObject({ missing: [] });
    standIn(bin, 'dnf', '#!/bin/sh\nexit 1\n');
    docker('exit 1');
    expect(JSON.parse(install(bin, ['docker-compose', 'kubectl']))).toMatchObject({
      missing: ['docker-compose', 'kubectl'],
      text: expect.stringContaining('dnf install docker-compose kubernetes-client'),
    });
  });

  it('are named with the command that brings them, where we do not install', () => {
    const bin = tempDir();
    standIn(bin, 'dnf', '#!/bin/sh\nexit 1\n');
    expect(JSON.parse(install(bin, ['ansible-playbook', 'git']))).toMatchObject({
      warn: true,
      missing: ['ansible-playbook', 'git'],
      text: expect.stringContaining('dnf install ansible-core git'),
    });
  });

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'are installed by root through apt, only the missing ones, older names where needed',
    () => {
      const bin = tempDir();
      standIn(bin, 'git', '#!/bin/sh\n');
      standIn(bin, 'apt-cache', '#!/bin/sh\nexit 100\n');
      const apt = `#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> ${bin}/calls\ncase "$*" in *install*) echo '#!/bin/sh' > ${bin}/ansible-playbook; /bin/chmod 755 ${bin}/ansible-playbook ;; esac\n`;
      standIn(bin, 'apt-get', apt);
      expect(JSON.parse(install(bin, ['git', 'ansible-playbook']))).toEqual({
        text: 'installed ansible-playbook',
        missing: [],
      });
      const calls = readFileSync(join(bin, 'calls'), 'utf8').trim().split('\n');
      expect(calls).toHaveLength(2);
      expect(calls[0]).toMatch(/^noninteractive .*update$/);
      expect(calls[1]).toMatch(/install --yes --no-install-recommends ansible$/);
    },
  );

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'that apt cannot get are missing, and why is said',
    () => {
      const bin = tempDir();
      standIn(bin, 'apt-get', '#!/bin/sh\nexit 100\n');
      expect(JSON.parse(install(bin, ['git']))).toMatchObject({
        warn: true,
        missing: ['git'],
        text: expect.stringContaining('apt-get update failed'),
      });
    },
  );
});

describe('two set-ups at once', () => {
  const holdLock = (lock: string, journal: string, ms: number) => `
    const { withLock } = await import(${JSON.stringify(pathToFileURL(join(root, 'scripts/setup/lock.mjs')).href)});
    const { appendFileSync } = await import('node:fs');
    await withLock(${JSON.stringify(lock)}, async () => {
      appendFileSync(${JSON.stringify(journal)}, 'in\\n');
      await new Promise((resolve) => setTimeout(resolve, ${ms}));
      appendFileSync(${JSON.stringify(journal)}, 'out\\n');
    });`;

  const start = (code: string) => spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
  const ended = (child: ReturnType<typeof start>) =>
    new Promise<number | null>((resolve) => child.once('close', resolve));

  it('take turns', async () => {
    const directory = tempDir();
    const journal = join(directory, 'journal');
    const code = holdLock(join(directory, 'lock'), journal, 100);
    expect(await Promise.all([1, 2, 3, 4].map(() => ended(start(code))))).toEqual([0, 0, 0, 0]);
    expect(readFileSync(journal, 'utf8')).toBe('in\nout\n'.repeat(4));
    expect(existsSync(join(directory, 'lock'))).toBe(false);
  });

  it('do not wait for one that was killed', async () => {
    const directory = tempDir();
    const journal = join(directory, 'journal');
    const killed = start(holdLock(join(directory, 'lock'), journal, 600_000));
    await expect.poll(() => existsSync(journal), { timeout: 10_000 }).toBe(true);
    const end = ended(killed);
    killed.kill('SIGKILL');
    await end;
    expect(existsSync(join(directory, 'lock'))).toBe(true);
    const next = [1, 2, 3].map(() => ended(start(holdLock(join(directory, 'lock'), journal, 50))));
    expect(await Promise.all(next)).toEqual([0, 0, 0]);
    expect(readFileSync(journal, 'utf8')).toBe(`in\n${'in\nout\n'.repeat(3)}`);
  });
});
