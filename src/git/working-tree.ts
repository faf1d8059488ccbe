import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, removeTree } from '../lib/index.ts';
import type { GitOutcome } from './git.ts';
import { keyOf, type MirrorContext, type ResolvedRevision, retried } from './mirror.ts';

/** Our note in `.git`: the mirror the objects come from, and the commit whose branches and tags were copied from it. */
interface Note {
  mirror: string;
  hash: string;
}

const noteName = 'semaphore-mirror';

/**
 * Brings a working tree to a revision of the mirror. It is a repository of its own whose objects are those of the mirror
 * (alternates), so it costs no copy and no network; branches, tags and `origin` in it are those of the real repository.
 * Changed files are put back, untracked ones are kept: tools keep state in them. When nothing changed this is one process.
 */
export async function updateWorkingTree(context: MirrorContext, target: ResolvedRevision): Promise<GitOutcome> {
  const { host, request } = context;
  const { directory, mirror } = request;
  const note = await host.once(keyOf(context, 'tree'), async () => (await usableNote(directory, mirror)) ?? null);
  if (!note) {
    const made = await makeRepository(context, target);
    if (made.kind !== 'ok') return made;
  }
  if (note?.hash !== target.hash) {
    const copied = await copyRefs(context);
    if (copied.kind !== 'ok') return copied;
  }
  const checkedOut = await checkOutTree(context, target);
  if (checkedOut.kind !== 'ok') return checkedOut;
  const submodules = await updateSubmodules(context);
  if (submodules.kind !== 'ok') return submodules;
  if (note?.hash !== target.hash) await writeFile(notePath(directory), `${mirror}\n${target.hash}\n`);
  return { kind: 'ok', value: undefined };
}

async function checkOutTree({ git, host, request }: MirrorContext, { branch, hash }: ResolvedRevision) {
  const { directory } = request;
  // It is ended with the runner that reads what it says. Nobody else works here, so that its locks are nobody's.
  if (host.resumed) {
    const locks = ['index', 'HEAD', ...(branch === undefined ? [] : [`refs/heads/${branch}`])];
    for (const name of locks) await rm(join(directory, '.git', `${name}.lock`), { force: true });
  }
  const place = branch === undefined ? ['--detach'] : ['-B', branch];
  const args = ['checkout', '--quiet', '--force', '--no-recurse-submodules', ...place, hash, '--'];
  return await git.runQuietly('checkout', directory, args);
}

/** What we know of the tree in `directory`; when it is of no use, what is in the way of a new one is removed. */
async function usableNote(directory: string, mirror: string): Promise<Note | undefined> {
  const gitDirectory = join(directory, '.git');
  const note = existsSync(join(gitDirectory, 'HEAD')) ? readNote(directory) : undefined;
  if (note?.mirror === mirror) return note;
  if (note && basename(note.mirror) !== basename(mirror)) {
    // Another repository under the same id: nothing of the old one may stay.
    await removeTree(directory, dirname(directory));
  } else if (existsSync(gitDirectory)) {
    await removeTree(gitDirectory, directory);
  }
  return undefined;
}

function readNote(directory: string): Note | undefined {
  try {
    const [mirror = '', hash = ''] = readFileSync(notePath(directory), 'utf8').split('\n');
    return { mirror, hash };
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function notePath(directory: string): string {
  return join(directory, '.git', noteName);
}

async function makeRepository(context: MirrorContext, target: ResolvedRevision): Promise<GitOutcome> {
  const { git, host, request } = context;
  const { directory } = request;
  const made = await git.run('init-tree', dirname(directory), ['init', '--quiet', '--template=', directory]);
  if (made.kind !== 'ok') return made;
  await host.once(keyOf(context, 'tree-made'), async () => {
    await nameOrigin(context, target);
    return true;
  });
  return made;
}

async function nameOrigin({ request, remote }: MirrorContext, { branch }: ResolvedRevision): Promise<void> {
  const { directory, mirror } = request;
  const gitDirectory = join(directory, '.git');
  await mkdir(join(gitDirectory, 'objects', 'info'), { recursive: true });
  await writeFile(join(gitDirectory, 'objects', 'info', 'alternates'), `${join(mirror, 'objects')}\n`);
  const origin = `[remote "origin"]\n\turl = ${quote(remote.url)}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`;
  const tracking =
    branch === undefined
      ? ''
      : `[branch ${quote(branch)}]\n\tremote = origin\n\tmerge = ${quote(`refs/heads/${branch}`)}\n`;
  const config = join(gitDirectory, 'config');
  const before = await readFile(config, 'utf8');
  // As a whole, so that being killed in between and doing it again is the same as doing it once.
  await writeFile(
    config,
    before.slice(0, before.includes(origin) ? before.indexOf(origin) : undefined) + origin + tracking,
  );
}

async function copyRefs({ git, request }: MirrorContext): Promise<GitOutcome> {
  const args = ['fetch', '--quiet', '--prune', '--no-recurse-submodules', '--end-of-options', request.mirror];
  const refspecs = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
  return await git.run('copy-refs', request.directory, [...args, ...refspecs], { GIT_ALLOW_PROTOCOL: 'file' });
}

async function updateSubmodules(context: MirrorContext): Promise<GitOutcome> {
  const { git, request } = context;
  // Not noted as done once: nothing but git touches this tree until the checkout as a whole is.
  if (!existsSync(join(request.directory, '.gitmodules'))) return { kind: 'ok', value: undefined };
  const synced = await git.run('submodule-sync', request.directory, ['submodule', '--quiet', 'sync', '--recursive']);
  if (synced.kind !== 'ok') return synced;
  return await retried(context, 'submodule update', () =>
    git.run('submodules', request.directory, ['submodule', 'update', '--init', '--recursive', '--force']),
  );
}

/** A value in git's configuration syntax. */
function quote(value: string): string {
  return `"${value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)}"`;
}
