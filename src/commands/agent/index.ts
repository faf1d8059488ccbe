import { exitCodes, helpPage, note, publishedCommands, unknownCommand } from '../../cli/index.ts';
import { AgentCommand } from './agent-command.ts';
import { parseFlags } from './parse-flags.ts';

/** The topic itself: finds the command behind flags that stand before it. */
export default class Agent extends AgentCommand {
  static override summary = 'Run jobs of Semaphore CI 2.0 on this machine.';

  static override description = `\`agent start\` takes jobs from a server, \`agent serve\` has one given to it over HTTPS, \`agent run\` runs one from a file. \`agent playground\` shows the first with a server of its own, without an account.

The executable \`agent\` is short for \`semaphore agent\`. Flags may stand before or after the command.`;

  static override examples = [
    { description: 'See how it works, without an account', command: 'semaphore agent playground' },
    {
      description: 'Take jobs from a server',
      command: 'semaphore agent start --endpoint acme.semaphoreci.com --token $TOKEN',
    },
    { description: 'Run one job from a file', command: 'semaphore agent run job.yaml' },
  ];

  async run(): Promise<unknown> {
    const table = publishedCommands();
    const flags = Object.assign({}, ...Object.values(table).map((command) => command.flags ?? {}));
    const { words } = parseFlags(this.argv, 'agent', flags);
    const [name] = words;
    if (name === undefined) {
      note(helpPage(['agent'], table, { width: 100, heading: (text) => text })?.trimEnd() ?? '');
      return exitCodes.usage;
    }
    if (!(`agent:${name}` in table)) throw await unknownCommand(`agent ${name}`, Object.keys(table));
    const at = this.argv.indexOf(name);
    return await this.config.runCommand(`agent:${name}`, this.argv.toSpliced(at, 1));
  }
}
