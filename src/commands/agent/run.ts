import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { UserError } from '../../lib/index.ts';
import { AgentCommand } from './agent-command.ts';
import { expectWords, isOn } from './parse-flags.ts';

export default class AgentRun extends AgentCommand {
  static override summary = 'Run one job from a YAML or JSON file and show it.';

  static override description = `The job runs on this machine, in a login shell, as a hosted job would. Ctrl-C stops it with everything it has started; a second one does not wait for that.

Exit codes: 0 passed, 1 failed, 2 wrong usage or a file that is no job, 130 stopped.`;

  static override examples = [
    { description: 'Run a job', command: 'semaphore agent run examples/agent/hello.yaml' },
    {
      description: 'Read its events with another program',
      command: 'semaphore agent run job.json --events | jq .event',
    },
  ];

  static override args = {
    path: Args.string({ required: true, description: 'The job; - is standard input.' }),
  };

  static override flags = {
    events: Flags.boolean({ description: 'Print the events of the job log, a line of JSON each, and nothing else.' }),
    unfold: Flags.boolean({ description: 'Show what the folded groups print, too.' }),
    'exit-zero': Flags.boolean({ description: 'Exit with 0 whatever the result, as the original does.' }),
    'mask-job-secrets': Flags.boolean({ description: 'Mask variables and files of the job in its log.' }),
  };

  async run(): Promise<number> {
    const given = this.given();
    expectWords(given, 1, 'agent:run');
    const [path] = given.words;
    if (path === undefined) {
      throw new UserError('the job is missing', { hint: 'Name its file: semaphore agent run job.yaml' });
    }
    const { runJobCommand } = await import('./run-job.ts');
    return await runJobCommand({
      path,
      version: this.version,
      events: isOn(given, 'events'),
      unfold: isOn(given, 'unfold'),
      exitZero: isOn(given, 'exit-zero'),
      maskSecrets: isOn(given, 'mask-job-secrets'),
    });
  }
}
