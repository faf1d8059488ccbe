import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/index.ts';

export default class RunnerRegister extends BaseCommand {
  static override summary = 'Register this machine as a runner, once, and keep its token.';

  static override description = `The registration token is taken from the first of: --registration-token-file, runner.registration_token_file in the configuration, standard input with --stdin-registration-token, SEMAPHORE_RUNNER_REGISTRATION_TOKEN.

The runner's own token goes to runner.token_file (mode 0600), or into the configuration file, of which everything else is kept.

Exit codes: 0 registered, 2 wrong usage or configuration, 3 the server cannot be reached or refused.`;

  static override examples = [
    {
      description: 'With a token from a pipe',
      command: 'echo "$TOKEN" | semaphore runner register --stdin-registration-token --config runner.json',
    },
    {
      description: 'For one project, with tags',
      command:
        'semaphore runner register --registration-token-file token.txt --name eu-1 --tags eu,ansible --project-id 7',
    },
  ];

  static override flags = {
    'registration-token-file': Flags.string({
      helpValue: '<file>',
      description: 'File that holds the registration token.',
    }),
    'stdin-registration-token': Flags.boolean({ description: 'Read the registration token from standard input.' }),
    name: Flags.string({ helpValue: '<text>', description: 'Name shown by the server.' }),
    tags: Flags.string({
      helpValue: '<a,b>',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      description: 'Tags of the runner, separated by commas or given several times.',
    }),
    webhook: Flags.string({ helpValue: '<url>', description: 'URL that the server calls before and after each task.' }),
    enabled: Flags.boolean({
      allowNo: true,
      description: 'Whether the server may give tasks to the runner at once. [default: yes]',
    }),
    'project-id': Flags.integer({ helpValue: '<n>', description: 'Serve this project only; 0: all projects.' }),
    force: Flags.boolean({
      description:
        'Register although there is a token already. The old runner stays on the server until it is deleted there.',
    }),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(RunnerRegister);
    const { register } = await import('./register-runner.ts');
    return await register(flags);
  }
}
