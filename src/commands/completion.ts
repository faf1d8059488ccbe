import * as Args from '@oclif/core/args';
import { BaseCommand, completionScript, completionShells, print, publishedCommands } from '../cli/index.ts';

export default class Completion extends BaseCommand {
  static override summary = 'Print a script that completes commands and flags in your shell.';

  static override examples = [
    { description: 'bash, in ~/.bashrc', command: 'source <(semaphore completion bash)' },
    { description: 'zsh, in ~/.zshrc after compinit', command: 'source <(semaphore completion zsh)' },
    { description: 'fish, once', command: 'semaphore completion fish > ~/.config/fish/completions/semaphore.fish' },
  ];

  static override args = {
    shell: Args.option({ options: completionShells })({ required: true, description: 'Shell to complete in.' }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(Completion);
    print(completionScript(args.shell, publishedCommands()).trimEnd());
  }
}
