import { BaseCommand, HelpWanted, unknownCommand } from '../../cli/index.ts';

/** The topic itself: help, unless a configuration is named (spec 1.2). */
export default class Runner extends BaseCommand {
  static override summary = 'Run tasks of a Semaphore UI server on this machine.';

  static override description = `First \`runner setup\` in a terminal, or \`runner register\` in a script; then \`runner start\`.

With --config or --no-config and nothing else this is \`runner start\`, as old service files expect.`;

  static override examples = [
    { description: 'Make a configuration file and register, step by step', command: 'semaphore runner setup' },
    {
      description: 'Register with a token from a pipe',
      command: 'echo "$TOKEN" | semaphore runner register --stdin-registration-token --config runner.json',
    },
    { description: 'Run', command: 'semaphore runner start --config runner.json' },
  ];

  /** A word that is left over is a misspelt command, which deserves a better answer than "unexpected argument". */
  static override strict = false;

  async run(): Promise<number> {
    const { flags, argv } = await this.parse(Runner);
    if (argv.length > 0) throw await unknownCommand(`runner ${String(argv[0])}`, this.config.commandIDs);
    if (flags.config === undefined && !flags['no-config']) throw new HelpWanted(['runner']);
    const { startRunner } = await import('./start-runner.ts');
    return await startRunner(flags);
  }
}
