import { noContent, type Reply, type RequestContext, type Router } from '../../http/index.ts';
import type { RunnerRecord } from '../store/records.ts';
import { authenticate } from './authenticate.ts';
import { fetchState, type FetchParts } from './fetch-state.ts';
import { register } from './register.ts';
import { report } from './report.ts';

const path = '/api/internal/runners';

/** Runners may send what has piled up in one request; the original has no limit at all. */
const maxReportBytes = 64 * 1024 * 1024;

/** Anybody may send one; the largest thing in it is a public key. */
const maxRegistrationBytes = 64 * 1024;

export interface RunnerApiParts extends FetchParts {
  registrationToken: () => string;
}

/** The server side of the runner protocol (spec 3, 8.2). */
export function addRunnerApi(router: Router, parts: RunnerApiParts): void {
  const { core, board, reconciler } = parts;
  const open = { guard: null };
  const forRunner =
    (handle: (runner: RunnerRecord, context: RequestContext) => Reply | Promise<Reply>) =>
    async (context: RequestContext): Promise<Reply> => {
      const result = authenticate(core, context);
      return 'refusal' in result ? result.refusal : await handle(result.runner, context);
    };
  router.route('POST', path, (context) => register(core, parts.registrationToken, context), {
    ...open,
    maxBodyBytes: maxRegistrationBytes,
  });
  router.route(
    'GET',
    path,
    forRunner((runner, context) => fetchState(parts, runner, context)),
    open,
  );
  router.route(
    'PUT',
    path,
    forRunner((runner, context) => report(core, board, runner, context)),
    {
      ...open,
      maxBodyBytes: maxReportBytes,
    },
  );
  router.route(
    'DELETE',
    path,
    forRunner((runner) => {
      core.store.removeRunner(runner.id);
      core.logger.info('Runner unregistered', { context: 'runners', runner_id: runner.id });
      reconciler.look();
      return noContent();
    }),
    open,
  );
}
