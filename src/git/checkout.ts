import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { removeTree, type Clock } from '../lib/index.ts';
import { openHandOvers } from '../secrets/index.ts';
import { untilFree } from './busy.ts';
import { credentialText } from './credential-text.ts';
import { gitEnvironment } from './environment.ts';
import type { GitFailure } from './failure.ts';
import { Git, type GitOutcome } from './git.ts';
import { KeyedLock } from './keyed-lock.ts';
import { type MirrorContext, type ResolvedRevision, resolveInMirror } from './mirror.ts';
import { hasOtherCredentials, problemWithRevision, resultOf } from './outcome.ts';
import { parseRemote, type Remote } from './remote.ts';
import type { CheckoutRequest, CheckoutResult, GitHost } from './types.ts';
import { updateWorkingTree } from './working-tree.ts';

/** Mirrors are shared by all tasks of this process. */
const mirrorLocks = new KeyedLock();

/**
 * Checks a revision out: the repository's mirror is brought up to date (one fetch), then the working tree (one checkout).
 * Damage to either, for instance after a power cut, is repaired once by making it anew. Never rejects for what may
 * happen to git; ends at once, as `stopped`, when the host's signal is aborted.
 *
 * May be played again after the runner was killed: whatever looks at files to decide, or changes them without git, is done
 * once (`host.once`), so that nothing happens twice and nothing is touched that a running git uses.
 */
export async function checkout(
  request: CheckoutRequest,
  host: GitHost,
  options: { clock?: Clock } = {},
): Promise<CheckoutResult> {
  return await host.once(request.keyPrefix, (inner) => performCheckout(request, inner, options));
}

async function performCheckout(
  request: CheckoutRequest,
  host: GitHost,
  options: { clock?: Clock },
): Promise<CheckoutResult> {
  const remote = parseRemote(request.url);
  const problem = problemWith(request, remote);
  if (problem !== undefined) return { kind: 'failed', reason: problem };
  const password = credentialText(request.credentials, remote);
  const pipe = password === undefined ? undefined : join(request.privateDirectory, `${request.keyPrefix}-credentials`);
  const handOver = pipe === undefined || password === undefined ? [] : [{ path: pipe, content: password }];
  const { signal } = host;
  const { uid, gid } = request;
  try {
    const close = await openHandOvers(handOver, { signal, uid, gid });
    try {
      const git = new Git(request, host, gitEnvironment(request, remote, pipe));
      const outcome = await performWithRepair({ git, host, request, remote, clock: options.clock });
      return resultOf(outcome, request, remote, pipe !== undefined || hasOtherCredentials(request, remote));
    } finally {
      await close();
    }
  } catch (error: unknown) {
    if (signal.aborted) return { kind: 'stopped' };
    throw error;
  }
}

async function performWithRepair(
  parts: Omit<MirrorContext, 'attempt'>,
): Promise<GitOutcome<ResolvedRevision | undefined>> {
  const { host, request } = parts;
  for (let repaired = false; ; repaired = true) {
    const context = { ...parts, attempt: repaired ? 2 : 1 };
    const found = await mirrorLocks.run(request.mirror, host.signal, async () => {
      await untilFree(request.mirror, request.privateDirectory, host.signal);
      return await resolveInMirror(context);
    });
    if (found.kind === 'failed' && !repaired && isDamage(found.failure)) {
      await repair(context, found.failure, [request.mirror]);
      continue;
    }
    if (found.kind !== 'ok' || !found.value) return found;
    if (request.revision.kind === 'commit' && !repaired) host.log(`Checkout repository to ${request.revision.name}`);
    const updated = await updateWorkingTree(context, found.value);
    if (updated.kind === 'failed' && !repaired && isRepairable(updated.failure)) {
      const damaged = updated.failure.kind === 'damaged' ? [request.mirror, request.directory] : [request.directory];
      await repair(context, updated.failure, damaged);
      continue;
    }
    return updated.kind === 'ok' ? found : updated;
  }
}

function isDamage({ kind }: GitFailure): boolean {
  return kind === 'damaged' || kind === 'locked';
}

/** A working tree costs little, so whatever went wrong in it, short of the network and the disk, is answered with a new one. */
function isRepairable({ kind }: GitFailure): boolean {
  return isDamage({ kind, said: '', retryable: false }) || kind === 'other' || kind === 'revision';
}

async function repair({ host, request }: MirrorContext, failure: GitFailure, damaged: string[]): Promise<void> {
  const { lock } = failure;
  const once = (work: () => Promise<void>) =>
    host.once(`${request.keyPrefix}-repair`, async () => {
      await work();
      return true;
    });
  const inside = damaged.some((path) => lock?.startsWith(path + sep));
  if (lock !== undefined && inside) {
    // Nobody but us works here: the lock is what a killed git left.
    host.log(`Removing a lock that an interrupted git left (${lock.slice(dirname(request.mirror).length + 1)})`);
    await once(() => rm(lock, { force: true }));
    return;
  }
  host.log(`The local copy of the repository is damaged (${failure.said}), making it anew`);
  await once(async () => {
    for (const path of damaged) {
      await mirrorLocks.run(path, host.signal, () => removeTree(path, dirname(path)));
    }
  });
}

function problemWith({ revision, mirror, privateDirectory }: CheckoutRequest, remote: Remote): string | undefined {
  const problem = problemWithRevision(revision, remote);
  if (problem !== undefined) return problem;
  if (!existsSync(dirname(mirror)) || !existsSync(privateDirectory)) {
    return `the work directory ${dirname(mirror)} has disappeared. Do not clean up below tmp_path while tasks run.`;
  }
  return undefined;
}
