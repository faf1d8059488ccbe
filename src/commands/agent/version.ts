import { print } from '../../cli/index.ts';
import { AgentCommand } from './agent-command.ts';
import { expectWords } from './parse-flags.ts';

export default class AgentVersion extends AgentCommand {
  static override summary = 'Print the version, as it is told to servers.';

  static override examples = [{ description: 'Print it', command: 'semaphore agent version' }];

  async run(): Promise<void> {
    expectWords(this.given(), 0, 'agent:version');
    print(this.version);
  }
}
