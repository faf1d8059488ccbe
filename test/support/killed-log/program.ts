import { openJobLog, type UploadPolicy } from '../../../src/agent/log/index.ts';
import { createTransport } from '../../../src/http/index.ts';
import { systemClock } from '../../../src/lib/index.ts';
import type { JobRequest } from '../../../src/protocol/ci/index.ts';

/** What an agent that will be killed gets. */
export interface KilledAgent {
  request: JobRequest;
  state: string;
  sealToken: string;
  upload: UploadPolicy;
  env: Record<string, string>;
}

/** Opens the log, says so, writes the lines it is sent, each time saying so, and never ends. */
async function main({ request, state, sealToken, upload, env }: KilledAgent): Promise<void> {
  const quiet = (): void => undefined;
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
  const log = await openJobLog({
    request,
    state,
    sealToken,
    upload,
    env,
    push: {
      transport: await createTransport({ env: {} }),
      userAgent: 'SemaphoreAgent/v9.9.9',
      refresh: () => Promise.resolve('renewed'),
      abandon: new AbortController().signal,
    },
    clock: systemClock,
    logger,
  });
  process.on('message', (lines: string[]) => {
    for (const line of lines) log.write(line);
    // What is written is in the file when the loop has come round.
    setImmediate(() => setImmediate(() => process.send?.('written')));
  });
  process.send?.('open');
}

await main(JSON.parse(process.argv[2] ?? '') as KilledAgent);
