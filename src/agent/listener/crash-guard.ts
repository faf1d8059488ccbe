import { messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';

/**
 * An error that nobody caught ends the agent with a message in its log and exit code 1 (spec CI 1.1): a supervisor starts it anew,
 * instead of one that goes on half. Returns a function that ends the watch.
 */
export function guardAgainstCrash(
  logger: Logger,
  exit: (code: number) => void = (code) => process.exit(code),
  target: Pick<NodeJS.Process, 'on' | 'off'> = process,
): () => void {
  const onCrash = (error: unknown): void => {
    const stack = error instanceof Error ? error.stack : undefined;
    logger.error('The agent has crashed', { error: messageOf(error), ...(stack === undefined ? {} : { stack }) });
    exit(1);
  };
  target.on('uncaughtException', onCrash);
  target.on('unhandledRejection', onCrash);
  return () => {
    target.off('uncaughtException', onCrash);
    target.off('unhandledRejection', onCrash);
  };
}
