import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/index.ts';

export default class RunnerSetup extends BaseCommand {
  static override summary = 'Make a configuration file, step by step, and register if you like.';

  static override description = `In a terminal it asks, shows defaults, and checks answers at once. Without one it reads one answer per line from standard input, in this order: server URL; token in an external file (yes/no), its path; is there a runner token (yes/no), the token; register (yes/no), the registration token; directory of the configuration unless --config is given. What a flag answers is not asked.

An existing file is changed, not replaced: its other keys and comments stay.

Exit codes: 0 done, 2 wrong usage or answers, 3 the server cannot be reached or refused, 4 it refused the runner token, 130 left by Ctrl-C.`;

  static override examples = [
    'semaphore runner setup',
    {
      description: 'Without any question',
      command:
        'semaphore runner setup --yes --server-url https://semaphore.example.com --config runner.json --registration-token-file token.txt',
    },
    {
      description: 'With answers from a pipe: URL, no token file, no token, register, registration token',
      command: String.raw`printf 'https://semaphore.example.com\n\n\nyes\n%s\n' "$TOKEN" | semaphore runner setup --config runner.json`,
    },
  ];

  static override flags = {
    'server-url': Flags.string({
      helpValue: '<url>',
      description: 'Base URL of the Semaphore server.',
      env: 'SEMAPHORE_WEB_ROOT',
    }),
    'token-file': Flags.string({
      helpValue: '<file>',
      description: 'Keep the runner token in this file instead of in the configuration.',
    }),
    'stdin-runner-token': Flags.boolean({
      description: 'The runner is registered already; read its token from standard input.',
      exclusive: ['stdin-registration-token', 'registration-token-file'],
    }),
    'registration-token-file': Flags.string({
      helpValue: '<file>',
      description: 'Register with the registration token in this file.',
      exclusive: ['stdin-registration-token'],
    }),
    'stdin-registration-token': Flags.boolean({
      description: 'Register with the registration token from standard input.',
    }),
    name: Flags.string({ helpValue: '<text>', description: 'Name shown by the server.' }),
    tags: Flags.string({
      helpValue: '<a,b>',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      description: 'Tags of the runner, separated by commas or given several times.',
    }),
    'project-id': Flags.integer({ helpValue: '<n>', description: 'Serve this project only.' }),
    'max-parallel-tasks': Flags.integer({ helpValue: '<n>', description: 'Tasks that may run at the same time.' }),
    yes: Flags.boolean({ description: 'Ask nothing; what no flag answers has its default.' }),
    force: Flags.boolean({ description: 'Change a configuration file that is there already.' }),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(RunnerSetup);
    const { setup } = await import('./setup-runner.ts');
    return await setup(flags);
  }
}
