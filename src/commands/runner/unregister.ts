import { BaseCommand } from '../../cli/index.ts';

export default class RunnerUnregister extends BaseCommand {
  static override summary = 'Delete this runner on the server, and its token here.';

  static override description = `A runner that the server does not know any more counts as deleted. A token in the configuration file is removed from it; everything else is kept.

Exit codes: 0 deleted, 2 wrong usage or configuration, 3 the server cannot be reached or refused, 4 the server refused the token.`;

  static override examples = ['semaphore runner unregister --config /etc/semaphore/config.json'];

  async run(): Promise<number> {
    const { flags } = await this.parse(RunnerUnregister);
    const { unregister } = await import('./unregister-runner.ts');
    return await unregister(flags);
  }
}
