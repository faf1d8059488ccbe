import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/index.ts';

export default class ConfigShow extends BaseCommand {
  static override summary = 'Check the configuration and show what is in effect, and where each value comes from.';

  static override description = `Secrets are hidden. Exit codes: 0 usable, 2 not usable.`;

  static override examples = [
    'semaphore config show --config runner.json',
    { description: 'Everything, defaults included', command: 'semaphore config show --all' },
  ];

  static override flags = {
    all: Flags.boolean({ description: 'Show keys that have their default, too.' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigShow);
    const { showConfig } = await import('./show-config.ts');
    await showConfig(flags);
  }
}
