import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tempDir } from './temp-dir.ts';

/** A real repository: a working copy to commit in, and the bare one that it is pushed to. */
export class TestRepository {
  readonly work: string;
  readonly bare: string;

  constructor(directory = tempDir()) {
    this.work = join(directory, 'work');
    this.bare = join(directory, 'origin.git');
    mkdirSync(directory, { recursive: true });
    git(directory, 'init', '-q', '--bare', '-b', 'main', this.bare);
    git(directory, 'init', '-q', '-b', 'main', this.work);
    this.git('remote', 'add', 'origin', this.bare);
  }

  get url(): string {
    return `file://${this.bare}`;
  }

  git(...args: string[]): string {
    return git(this.work, ...args);
  }

  /** Writes files (executable when they start with `#!`), commits them, pushes all branches and tags. Returns the hash. */
  commit(files: Record<string, string>, message = 'Change'): string {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.work, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      if (content.startsWith('#!')) chmodSync(path, 0o755);
    }
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', message);
    this.push();
    return this.git('rev-parse', 'HEAD');
  }

  /** Makes the bare repository what the working copy is: forced, vanished branches included. */
  push(): void {
    this.git('push', '-q', '--force', '--prune', 'origin', 'refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*');
  }
}

/** Runs git with an identity and without the machine's configuration; returns what it printed. */
export function git(cwd: string, ...args: string[]): string {
  const who = { NAME: 'Test', EMAIL: 'test@example.com', DATE: '2026-01-02T03:04:05Z' };
  const identity = Object.entries(who).flatMap(([key, value]) => [
    [`GIT_AUTHOR_${key}`, value],
    [`GIT_COMMITTER_${key}`, value],
  ]);
  return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
    cwd,
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: cwd,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      ...(Object.fromEntries(identity) as Record<string, string>),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}
