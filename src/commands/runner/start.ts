import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/index.ts';

export default class RunnerStart extends BaseCommand {
  static override summary = 'Take tasks from the server and run them, until told to end.';

  static override description = `The first Ctrl-C or SIGTERM lets running tasks finish and report; the second cancels them.

Exit codes: 0 ended as asked, 2 wrong usage or configuration, 3 results could not be delivered, 4 the server refused the runner token for good, 130 or 143 tasks were cancelled.`;

  static override examples = [
    {
      description: 'Run with a configuration file',
      command: 'semaphore runner start --config /etc/semaphore/config.json',
    },
    {
      description: 'In a container: everything from the environment, registered at the first start',
      command: 'semaphore runner start --no-config --register',
    },
    {
      description: 'See what goes on with git',
      command: 'semaphore runner start --log-level DEBUG --debug-filter git',
    },
  ];

  static override flags = {
    register: Flags.boolean({
      aliases: ['auto-register'],
      description:
        'Register first if there is no runner token yet, and try every 5 seconds until the server accepts. The registration token comes from the same places as for `runner register`.',
    }),
    'registration-token-file': Flags.string({
      helpValue: '<file>',
      description: 'With --register: the file that holds the registration token.',
    }),
    'stdin-registration-token': Flags.boolean({
      description: 'With --register: read the registration token from standard input.',
    }),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(RunnerStart);
    const { startRunner } = await import('./start-runner.ts');
    return await startRunner(flags);
  }
}
