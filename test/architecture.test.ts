import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';

/** The import arrows of `docs/architecture.md`, kept by a test because lint rules cannot express all of them. */

const root = join(import.meta.dirname, '..');
const source = join(root, 'src');

/** Layer of each room; a room imports lower layers only, through their `index.ts`. */
const layers: Record<string, number> = {
  commands: 6,
  cli: 5,
  runner: 5,
  agent: 5,
  server: 5,
  tasks: 4,
  executors: 4,
  protocol: 3,
  workspace: 3,
  git: 3,
  ssh: 3,
  secrets: 3,
  execution: 2,
  logs: 2,
  http: 2,
  telemetry: 2,
  config: 1,
  lib: 0,
};

/** Arrows within one layer that the plan allows. */
const sideways = new Set(['git>ssh', 'git>secrets', 'workspace>git']);

/** The file through which two rooms of one layer may meet all the same. */
const meetingPoints = new Set(['executors>tasks/types.ts']);

/** Third-party packages have one owner (or the few named). */
const owners: Record<string, string[]> = {
  got: ['http'],
  hpagent: ['http'],
  ws: ['http'],
  'simple-git': ['git'],
  ssh2: ['ssh'],
  '@lydell/node-pty': ['execution'],
  '@napi-rs/keyring': ['secrets'],
  pino: ['telemetry'],
  '@oclif/core': ['cli', 'commands', 'main'],
  chalk: ['cli', 'commands'],
  '@clack/prompts': ['cli', 'commands'],
  jose: ['agent'],
  'p-queue': ['runner'],
  'cron-parser': ['server', 'workspace'],
  '@kubernetes/client-node': ['executors'],
  conf: ['cli'],
  execa: ['cli'],
  zod: ['config', 'protocol'],
  yaml: ['config'],
  'jsonc-parser': ['config'],
};

interface Import {
  file: string;
  target: string;
}

function sourceFiles(): string[] {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replaceAll('\\', '/'));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  const parsed = parseSync(file, text);
  const targets = [
    ...parsed.module.staticImports.map((entry) => entry.moduleRequest.value),
    ...parsed.module.staticExports.flatMap((entry) =>
      entry.entries.flatMap((item) => (item.moduleRequest ? [item.moduleRequest.value] : [])),
    ),
    ...parsed.module.dynamicImports.map((entry) =>
      text.slice(entry.moduleRequest.start, entry.moduleRequest.end).replaceAll(/['"`]/g, ''),
    ),
  ];
  return targets.map((target) => ({ file, target }));
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '');
}

function packageOf(target: string): string {
  const parts = target.split('/');
  return target.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? target);
}

function violation({ file, target }: Import): string | undefined {
  const from = roomOf(file);
  if (target.startsWith('node:')) return undefined;
  if (!target.startsWith('.')) {
    const name = packageOf(target);
    const allowed = owners[name];
    if (!allowed) return `${file}: package ${name} has no owner room`;
    return allowed.includes(from) ? undefined : `${file}: package ${name} belongs to ${allowed.join(', ')}`;
  }
  const resolved = posix.join(posix.dirname(file), target);
  if (resolved.startsWith('..')) {
    return relative(root, join(source, dirname(file), target)) === 'package.json'
      ? undefined
      : `${file}: imports ${target} outside src/`;
  }
  if (!target.endsWith('.ts')) return `${file}: ${target} has no .ts ending`;
  const to = roomOf(resolved);
  if (to === from) {
    const inside = /^protocol\/(ui|ci)\//;
    const a = inside.exec(file)?.[1];
    const b = inside.exec(resolved)?.[1];
    if (a && b && a !== b) return `${file}: protocol/${a} may not import protocol/${b}`;
    return undefined;
  }
  if (from === 'main') return undefined;
  if (meetingPoints.has(`${from}>${resolved.slice(0)}`)) return undefined;
  const fromLayer = layers[from];
  const toLayer = layers[to];
  if (fromLayer === undefined || toLayer === undefined) return `${file}: no layer for ${from} or ${to}`;
  if (to === 'commands') return `${file}: nothing imports commands`;
  if (toLayer > fromLayer) return `${file}: ${from} (L${fromLayer}) imports upwards from ${to} (L${toLayer})`;
  // Commands are the top: they may call every L5 room; L5 rooms do not know each other.
  if (toLayer === fromLayer && !sideways.has(`${from}>${to}`)) return `${file}: ${from} imports sideways from ${to}`;
  const entry = resolved.slice(to.length + 1);
  const door = /^((ui|ci)\/)?index\.ts$/;
  if (!door.test(entry)) return `${file}: imports ${resolved} past ${to}/index.ts`;
  return undefined;
}

describe('the import arrows of the architecture', () => {
  const imports = sourceFiles().flatMap(importsOf);

  it('has imports to look at', () => {
    expect(imports.length).toBeGreaterThan(20);
  });

  it('are kept by every file in src/', () => {
    expect(imports.map(violation).filter((text) => text !== undefined)).toEqual([]);
  });

  it.each([
    [{ file: 'lib/x.ts', target: '../runner/index.ts' }, 'upwards'],
    [{ file: 'runner/x.ts', target: '../server/index.ts' }, 'sideways'],
    [{ file: 'runner/x.ts', target: '../http/transport.ts' }, 'past'],
    [{ file: 'runner/x.ts', target: 'got' }, 'belongs to http'],
    [{ file: 'runner/x.ts', target: 'left-pad' }, 'no owner'],
    [{ file: 'protocol/ui/x.ts', target: '../ci/index.ts' }, 'may not import'],
  ])('would be reported when broken: %o', (broken, text) => {
    expect(violation(broken)).toContain(text);
  });
});
