import { Command } from '@oclif/core/command';
import * as Flags from '@oclif/core/flags';
import { logLevelNames, parseLogLevel } from './log-level.ts';

/** Flags of every command (spec 1.1). */
const globalFlags = {
  config: Flags.string({
    helpGroup: 'GLOBAL',
    helpValue: '<file>',
    description:
      'Configuration file, JSON with comments or YAML. [default: SEMAPHORE_CONFIG_PATH, then the search path]',
    exclusive: ['no-config'],
  }),
  'no-config': Flags.boolean({
    helpGroup: 'GLOBAL',
    description: 'Read no configuration file; use environment variables and defaults only.',
  }),
  'log-level': Flags.custom<ReturnType<typeof parseLogLevel>>({
    helpGroup: 'GLOBAL',
    helpValue: '<level>',
    description: `Least level of the log: ${logLevelNames.join(', ')}.`,
    env: 'SEMAPHORE_LOG_LEVEL',
    default: 'INFO',
    parse: async (text) => parseLogLevel(text),
  })(),
  'log-format': Flags.option({
    helpGroup: 'GLOBAL',
    options: ['auto', 'text', 'json'] as const,
    description: 'Form of the log; auto is for eyes on a terminal, otherwise text.',
    env: 'SEMAPHORE_LOG_FORMAT',
    default: 'auto',
  })(),
  'debug-filter': Flags.string({
    helpGroup: 'GLOBAL',
    helpValue: '<contexts>',
    description: 'Contexts whose DEBUG lines are wanted, for example git,job_*,-sending_progress.',
    env: 'SEMAPHORE_DEBUG_FILTER',
  }),
};

/** What the global flags say, parsed. */
export interface GlobalFlags {
  config: string | undefined;
  'no-config': boolean;
  'log-level': ReturnType<typeof parseLogLevel>;
  'log-format': 'auto' | 'text' | 'json';
  'debug-filter': string | undefined;
}

/** The parent of every command: global flags, and errors that go up to `runCli`, which alone prints them. */
export abstract class BaseCommand extends Command {
  static override baseFlags = globalFlags;

  override async catch(error: unknown): Promise<never> {
    throw error;
  }
}
