import { explainFailure } from './failure.ts';
import type { GitOutcome } from './git.ts';
import type { ResolvedRevision } from './mirror.ts';
import type { Remote } from './remote.ts';
import { isHash, isRefName } from './revision.ts';
import type { CheckoutRequest, CheckoutResult, Revision } from './types.ts';

/** Longest commit message that is reported, in characters (spec 3.6). */
const maxMessageLength = 100;

/** What is wrong with a revision before anybody is asked for it, for people. */
export function problemWithRevision(revision: Revision, remote: Remote): string | undefined {
  const what = revision.kind === 'branch' ? 'branch' : 'commit';
  if (revision.name === '')
    return `the repository ${remote.display} has no ${what} to check out. Enter one in its settings.`;
  if (isRefName(revision.name) || isHash(revision.name)) return undefined;
  return `${JSON.stringify(revision.name)} cannot be the name of a ${what}. Correct it in the repository, the template or the task.`;
}

/** Whether anything but the URL itself could open the repository. */
export function hasOtherCredentials(
  { access, credentials }: Pick<CheckoutRequest, 'access' | 'credentials'>,
  { url }: Remote,
): boolean {
  const mapped = [
    ...(access?.credentials ?? []).map((entry) => entry.url),
    ...(access?.rewrites ?? []).map(({ from }) => from),
  ];
  return credentials.kind === 'agent' || mapped.some((start) => url.startsWith(start));
}

/** The result of a checkout, for people where it failed. */
export function resultOf(
  outcome: GitOutcome<ResolvedRevision | undefined>,
  { revision }: Pick<CheckoutRequest, 'revision'>,
  remote: Remote,
  hadCredentials: boolean,
): CheckoutResult {
  if (outcome.kind === 'stopped') return { kind: 'stopped' };
  if (outcome.kind === 'failed') {
    return { kind: 'failed', reason: explainFailure(outcome.failure, remote.display, hadCredentials) };
  }
  if (!outcome.value) {
    const what = revision.kind === 'branch' ? 'there is no branch or tag' : 'there is no commit, branch or tag';
    return {
      kind: 'failed',
      reason: `${what} ${revision.name} in ${remote.display}. Was it deleted or renamed? Check the repository, the template and the task.`,
    };
  }
  const { hash, subject } = outcome.value;
  return { kind: 'done', commit: { hash, message: Array.from(subject).slice(0, maxMessageLength).join('') } };
}
