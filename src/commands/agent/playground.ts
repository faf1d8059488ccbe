import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { UserError } from '../../lib/index.ts';
import { AgentCommand } from './agent-command.ts';
import { expectWords, isOn } from './parse-flags.ts';

export default class AgentPlayground extends AgentCommand {
  static override summary = 'Try self-hosted mode on this machine: a server, an agent, a job.';

  static override description = `Starts a small server of the protocol, has an agent register with it, gives it the job, and shows each step and the log as the server gets it. No account and no network are needed.

Exit codes: 0 passed, 1 failed, 2 wrong usage or a file that is no job, 130 stopped.`;

  static override examples = [
    { description: 'With an example job', command: 'semaphore agent playground' },
    { description: 'With a job of your own', command: 'semaphore agent playground job.yaml' },
    { description: 'For more jobs: type their files', command: 'semaphore agent playground --keep' },
  ];

  static override args = {
    path: Args.string({ required: false, description: 'The job. [default: an example]' }),
  };

  static override flags = {
    keep: Flags.boolean({ description: 'Go on after the job: run each file whose path is typed in, until Ctrl-C.' }),
    port: Flags.string({ helpValue: '<port>', description: 'Port of the server on 127.0.0.1. [default: a free one]' }),
    unfold: Flags.boolean({ description: 'Show what the folded groups print, too.' }),
  };

  async run(): Promise<number> {
    const given = this.given();
    expectWords(given, 1, 'agent:playground');
    const port = Number(given.flags.get('port')?.at(-1) ?? '0');
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new UserError('--port expects a number from 0 to 65535');
    }
    const { playgroundCommand } = await import('./run-playground.ts');
    return await playgroundCommand({
      path: given.words[0],
      keep: isOn(given, 'keep'),
      port,
      unfold: isOn(given, 'unfold'),
      version: this.version,
    });
  }
}
