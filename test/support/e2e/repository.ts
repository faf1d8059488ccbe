import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface TestRepository {
  path: string;
  url: string;
  /** Full hash of the commit. */
  commit: string;
}

/** Makes a git repository with one commit on `main`; files whose text starts with `#!` are executable. */
export function makeRepository(path: string, files: Readonly<Record<string, string>>): TestRepository {
  for (const [name, text] of Object.entries(files)) {
    const file = join(path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: path, encoding: 'utf8' });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--all');
  git('-c', 'user.name=Test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message=Files of the test');
  return { path, url: pathToFileURL(path).href, commit: git('rev-parse', 'HEAD').trim() };
}
