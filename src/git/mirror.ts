import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { removeTree, systemClock, type Clock } from '../lib/index.ts';
import { branchHash } from './branch-hash.ts';
import { marked } from './busy.ts';
import type { Git, GitOutcome } from './git.ts';
import type { Remote } from './remote.ts';
import { isHash, isWholeHash } from './revision.ts';
import type { CheckoutRequest, GitHost } from './types.ts';

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
  /** 1, or 2 after a repair. */
  attempt: number;
  clock?: Clock | undefined;
}

/**
 * Brings the mirror of a repository up to date and finds the revision in it. The caller holds the mirror's lock. A commit
 * that is there already is not asked for again.
 */
export async function resolveInMirror(context: MirrorContext): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { host, request } = context;
  const { revision, mirror } = request;
  const isNew = await host.once(keyOf(context, 'is-new'), () => Promise.resolve(!existsSync(join(mirror, 'HEAD'))));
  if (revision.kind === 'commit' && isHash(revision.name) && !isNew) {
    const known = await resolve(context, 'known');
    if (known.kind === 'ok' && known.value) return known;
  }
  const fetched = await fetchAll(context, isNew);
  if (fetched.kind !== 'ok') return fetched;
  if (revision.kind === 'branch') {
    host.log('Get current commit hash');
    host.log('Get current commit message');
  }
  const found = await resolve(context, 'found');
  if (found.kind !== 'ok' || found.value || !isWholeHash(revision.name)) return found;
  return await fetchCommit(context);
}

/** Names something that is done once in this attempt. */
export function keyOf({ attempt, request }: MirrorContext, name: string): string {
  return `${request.keyPrefix}-${name}${attempt > 1 ? `-${attempt}` : ''}`;
}

async function fetchAll(context: MirrorContext, isNew: boolean): Promise<GitOutcome> {
  const { host, remote } = context;
  host.log(`${isNew ? 'Cloning' : 'Updating'} Repository ${remote.display}`);
  if (isNew) {
    const made = await makeMirror(context);
    if (made.kind !== 'ok') return made;
  }
  // A new mirror would list every branch as new.
  const quiet = isNew ? ['--quiet'] : [];
  return await retried(context, isNew ? 'clone' : 'pull', () =>
    runInMirror(context, 'fetch', [
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

async function runInMirror(
  { git, request }: MirrorContext,
  name: string,
  args: readonly string[],
): Promise<GitOutcome> {
  const { mirror, privateDirectory } = request;
  return await marked(mirror, privateDirectory, () => git.run(name, mirror, args));
}

async function makeMirror(context: MirrorContext): Promise<GitOutcome> {
  const { git, host, request } = context;
  const { mirror } = request;
  await host.once(keyOf(context, 'made-room'), async () => {
    await removeTree(mirror, dirname(mirror));
    return true;
  });
  return await git.run('init', dirname(mirror), ['init', '--quiet', '--bare', '--template=', mirror]);
}

/** For a commit that no branch or tag leads to any more; servers that give such commits want the whole hash. */
async function fetchCommit(context: MirrorContext): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { remote, request } = context;
  const { name } = request.revision;
  const refspec = `+${name}:refs/semaphore/commits/${name}`;
  const fetched = await runInMirror(context, 'fetch-commit', [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-recurse-submodules',
    '--end-of-options',
    remote.url,
    refspec,
  ]);
  if (fetched.kind === 'stopped') return fetched;
  return await resolve(context, 'fetched');
}

/** Finds the revision in the mirror as it is at this moment; `when` names the moment. */
function resolve(context: MirrorContext, when: string): Promise<GitOutcome<ResolvedRevision | undefined>> {
  return context.host.once(keyOf(context, `revision-${when}`), (inner) =>
    resolveNow(context.git.on(inner), context.request),
  );
}

async function resolveNow(git: Git, request: CheckoutRequest): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { mirror, revision } = request;
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
export function isUnknown(said: string): boolean {
  return /unknown revision|bad revision|ambiguous argument/i.test(said);
}

/** Tries again what may succeed later: a second after the first time, then twice as long each time (spec 5.5). */
export async function retried(
  context: MirrorContext,
  what: string,
  attempt: (number: number) => Promise<GitOutcome>,
): Promise<GitOutcome> {
  const { host, request, clock = systemClock } = context;
  for (let number = 1, pauseMs = 1000; ; number += 1, pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    const outcome = await attempt(number);
    if (outcome.kind !== 'failed' || !outcome.failure.retryable || number >= request.attempts) return outcome;
    host.log(`Git ${what} failed (${outcome.failure.said}), retrying in ${pauseMs / 1000}s`);
    await host.once(keyOf(context, `pause-${what.replaceAll(' ', '-')}-${number}`), async () => {
      await clock.sleep(pauseMs, host.signal);
      return true;
    });
  }
}
