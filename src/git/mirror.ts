import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { removeTree, systemClock, type Clock } from '../lib/index.ts';
import { branchHash } from './branch-hash.ts';
import type { Git, GitOutcome } from './git.ts';
import type { Remote } from './remote.ts';
import { isHash, isWholeHash } from './revision.ts';
import type { CheckoutRequest, GitHost, Revision } from './types.ts';

/** What a revision turned out to be. */
export interface ResolvedRevision {
  hash: string;
  /** First line of the commit's message, whole. */
  subject: string;
  /** Branch the working tree is to be on; undefined for a tag or a commit. */
  branch: string | undefined;
}

/** Longest pause between two attempts (spec 5.5). */
const maxPauseMs = 60_000;

/** Everything a clone has: all branches and all tags. What is gone there goes here, what was forced there is forced here. */
const refspecs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];

/** First lines of commit messages by hash, which names them for good: the usual task of an unchanged branch asks git once less. */
const subjects = new Map<string, string>();
const maxSubjects = 1000;

export interface MirrorContext {
  git: Git;
  host: GitHost;
  request: CheckoutRequest;
  remote: Remote;
  clock?: Clock | undefined;
}

/**
 * Brings the mirror of a repository up to date and finds the revision in it. The caller holds the mirror's lock. A commit
 * that is there already is not asked for again.
 */
export async function resolveInMirror(context: MirrorContext): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { git, host, request } = context;
  const { revision, mirror } = request;
  const isNew = !existsSync(join(mirror, 'HEAD'));
  if (revision.kind === 'commit' && isHash(revision.name) && !isNew) {
    const known = await resolve(git, mirror, revision);
    if (known.kind === 'ok' && known.value) return known;
  }
  const fetched = await fetchAll(context, isNew);
  if (fetched.kind !== 'ok') return fetched;
  if (revision.kind === 'branch') {
    host.log('Get current commit hash');
    host.log('Get current commit message');
  }
  const found = await resolve(git, mirror, revision);
  if (found.kind !== 'ok' || found.value || !isWholeHash(revision.name)) return found;
  return await fetchCommit(context, revision);
}

async function fetchAll(context: MirrorContext, isNew: boolean): Promise<GitOutcome> {
  const { git, host, request, remote } = context;
  host.log(`${isNew ? 'Cloning' : 'Updating'} Repository ${remote.display}`);
  if (isNew) {
    const made = await makeMirror(git, request.mirror);
    if (made.kind !== 'ok') return made;
  }
  // A new mirror would list every branch as new.
  const quiet = isNew ? ['--quiet'] : [];
  return await retried(context, isNew ? 'clone' : 'pull', () =>
    git.run('fetch', request.mirror, [
      'fetch',
      ...quiet,
      '--prune',
      '--no-recurse-submodules',
      '--end-of-options',
      remote.url,
      ...refspecs,
    ]),
  );
}

async function makeMirror(git: Git, mirror: string): Promise<GitOutcome> {
  await removeTree(mirror, dirname(mirror));
  return await git.run('init', dirname(mirror), ['init', '--quiet', '--bare', '--template=', mirror]);
}

/** For a commit that no branch or tag leads to any more; servers that give such commits want the whole hash. */
async function fetchCommit(
  context: MirrorContext,
  revision: Revision,
): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { git, request, remote } = context;
  const refspec = `+${revision.name}:refs/semaphore/commits/${revision.name}`;
  const fetched = await git.run('fetch-commit', request.mirror, [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-recurse-submodules',
    '--end-of-options',
    remote.url,
    refspec,
  ]);
  if (fetched.kind === 'stopped') return fetched;
  return await resolve(git, request.mirror, revision);
}

async function resolve(
  git: Git,
  mirror: string,
  revision: Revision,
): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { name, kind } = revision;
  const branch = kind === 'branch' ? name : undefined;
  const candidates = [
    ...(kind === 'commit' && isHash(name) ? [{ ref: `${name}^{commit}`, branch: undefined }] : []),
    { ref: `refs/heads/${name}`, branch },
    { ref: `refs/tags/${name}`, branch: undefined },
  ];
  for (const candidate of candidates) {
    const hash = candidate.branch === undefined ? undefined : await branchHash(mirror, candidate.branch);
    const subject = hash === undefined ? undefined : subjects.get(hash);
    if (hash !== undefined && subject !== undefined) return { kind: 'ok', value: { hash, subject, branch } };
    const read = await git.read('revision', mirror, [
      'log',
      '-1',
      '--no-show-signature',
      '--no-color',
      '--format=%H%n%s',
      '--end-of-options',
      candidate.ref,
      '--',
    ]);
    if (read.kind === 'ok') {
      const [found = '', line = ''] = read.value.split('\n');
      remember(found, line);
      return { kind: 'ok', value: { hash: found, subject: line, branch: candidate.branch } };
    }
    if (read.kind === 'stopped') return read;
    if (!isUnknown(read.failure.said)) return read;
  }
  return { kind: 'ok', value: undefined };
}

function remember(hash: string, subject: string): void {
  if (subjects.size >= maxSubjects) subjects.clear();
  subjects.set(hash, subject);
}

/** git's way to say that there is no such name, as opposed to one that leads to a damaged object. */
function isUnknown(said: string): boolean {
  return /unknown revision|bad revision|ambiguous argument/i.test(said);
}

/** Tries again what may succeed later: a second after the first time, then twice as long each time (spec 5.5). */
export async function retried(
  { host, request, clock = systemClock }: MirrorContext,
  what: string,
  attempt: () => Promise<GitOutcome>,
): Promise<GitOutcome> {
  for (let number = 1, pauseMs = 1000; ; number += 1, pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    const outcome = await attempt();
    if (outcome.kind !== 'failed' || !outcome.failure.retryable || number >= request.attempts) return outcome;
    host.log(`Git ${what} failed (${outcome.failure.said}), retrying in ${pauseMs / 1000}s`);
    await clock.sleep(pauseMs, host.signal);
  }
}
