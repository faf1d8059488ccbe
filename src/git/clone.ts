import { dirname } from 'node:path/posix';
import type { Clock } from '../lib/index.ts';
import { credentialText } from './credential-text.ts';
import { gitEnvironment } from './environment.ts';
import { Git, type GitOutcome } from './git.ts';
import { isUnknown, keyOf, type MirrorContext, type ResolvedRevision, retried } from './mirror.ts';
import { hasOtherCredentials, problemWithRevision, resultOf } from './outcome.ts';
import { parseRemote } from './remote.ts';
import { isHash, isWholeHash } from './revision.ts';
import type { CheckoutRequest, CheckoutResult, GitHost } from './types.ts';

/** A checkout into a directory that is not there yet, wherever git runs: nothing is looked at here. */
export interface CloneRequest extends Omit<CheckoutRequest, 'mirror' | 'privateDirectory' | 'uid' | 'gid'> {
  /** Writes user name and password where git reads them, and returns the path of the file. */
  handOver: (content: string) => Promise<string>;
  /** Removes `directory`: git that was killed leaves what it has made so far, and clones into nothing that is there. */
  makeRoom: () => Promise<void>;
}

/**
 * Clones a repository and checks a revision out: as `checkout` does, but without a mirror, for places that are gone with their task. The
 * files of all branches and tags come, as tools expect it of a clone. Never rejects for what may happen to git.
 */
export async function clone(
  request: CloneRequest,
  host: GitHost,
  options: { clock?: Clock } = {},
): Promise<CheckoutResult> {
  return await host.once(request.keyPrefix, (inner) => performClone(request, inner, options));
}

async function performClone(given: CloneRequest, host: GitHost, { clock }: { clock?: Clock }): Promise<CheckoutResult> {
  const remote = parseRemote(given.url);
  const problem = problemWithRevision(given.revision, remote);
  if (problem !== undefined) return { kind: 'failed', reason: problem };
  const { directory, handOver } = given;
  const request: CheckoutRequest = { ...given, mirror: directory, privateDirectory: directory };
  const password = credentialText(request.credentials, remote);
  const file = password === undefined ? undefined : await handOver(password);
  const git = new Git(request, host, gitEnvironment(request, remote, file));
  try {
    const outcome = await fetchAndCheckOut({ git, host, request, remote, attempt: 1, clock }, given);
    return resultOf(outcome, request, remote, file !== undefined || hasOtherCredentials(request, remote));
  } catch (error: unknown) {
    if (host.signal.aborted) return { kind: 'stopped' };
    throw error;
  }
}

async function fetchAndCheckOut(
  context: MirrorContext,
  { makeRoom }: CloneRequest,
): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { git, host, remote, request } = context;
  const { directory, revision } = request;
  host.log(`Cloning Repository ${remote.display}`);
  const cloned = await retried(context, 'clone', async (number) => {
    if (number > 1) await host.once(keyOf(context, `room-${number}`), () => makeRoom().then(() => true));
    return await git.run('fetch', dirname(directory), [
      'clone',
      '--quiet',
      '--no-checkout',
      '--template=',
      '--end-of-options',
      remote.url,
      directory,
    ]);
  });
  if (cloned.kind !== 'ok') return cloned;
  if (revision.kind === 'branch') {
    host.log('Get current commit hash');
    host.log('Get current commit message');
  }
  const found = await resolve(context);
  if (found.kind !== 'ok' || !found.value) return found;
  if (revision.kind === 'commit') host.log(`Checkout repository to ${revision.name}`);
  const checkedOut = await checkOutTree(context, found.value);
  return checkedOut.kind === 'ok' ? found : checkedOut;
}

async function resolve(context: MirrorContext): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { name, kind } = context.request.revision;
  const branch = kind === 'branch' ? name : undefined;
  const candidates = [
    ...(kind === 'commit' && isHash(name) ? [{ ref: `${name}^{commit}`, branch: undefined }] : []),
    { ref: `refs/remotes/origin/${name}`, branch },
    { ref: `refs/tags/${name}`, branch: undefined },
  ];
  for (const candidate of candidates) {
    const found = await read(context, candidate.ref, candidate.branch);
    if (found.kind !== 'ok' || found.value) return found;
  }
  return isWholeHash(name) ? await fetchCommit(context) : { kind: 'ok', value: undefined };
}

/** For a commit that no branch or tag leads to any more; servers that give such commits want the whole hash. */
async function fetchCommit(context: MirrorContext): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { git, remote, request } = context;
  const { name } = request.revision;
  const refspec = `+${name}:refs/semaphore/commits/${name}`;
  const args = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--end-of-options', remote.url, refspec];
  const fetched = await git.run('fetch-commit', request.directory, args);
  if (fetched.kind === 'stopped') return fetched;
  return await read(context, `${name}^{commit}`, undefined);
}

/** The commit that `ref` leads to; undefined when it leads nowhere. */
async function read(
  { git, request }: MirrorContext,
  ref: string,
  branch: string | undefined,
): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const shown = ['log', '-1', '--no-show-signature', '--no-color', '--format=%H%n%s', '--end-of-options', ref, '--'];
  const said = await git.read('revision', request.directory, shown);
  if (said.kind === 'ok') {
    const [hash = '', subject = ''] = said.value.split('\n');
    return { kind: 'ok', value: { hash, subject, branch } };
  }
  if (said.kind === 'stopped' || !isUnknown(said.failure.said)) return said;
  return { kind: 'ok', value: undefined };
}

async function checkOutTree(context: MirrorContext, { branch, hash }: ResolvedRevision): Promise<GitOutcome> {
  const { git, request } = context;
  const { directory } = request;
  const place = branch === undefined ? ['--detach', hash] : ['--track', '-B', branch, `refs/remotes/origin/${branch}`];
  const args = ['checkout', '--quiet', '--force', '--no-recurse-submodules', ...place, '--'];
  const checkedOut = await git.runQuietly('checkout', directory, args);
  if (checkedOut.kind !== 'ok') return checkedOut;
  const modules = await git.read('modules', directory, ['ls-tree', '--name-only', hash, '.gitmodules']);
  if (modules.kind !== 'ok') return modules;
  if (modules.value.trim() === '') return { kind: 'ok', value: undefined };
  return await retried(context, 'submodule update', () =>
    git.run('submodules', directory, ['submodule', 'update', '--init', '--recursive', '--force']),
  );
}
