import { Command } from '@oclif/core/command';
import { type GivenFlags, parseFlags } from './parse-flags.ts';

/** The parent of the commands of the agent: flags as the original takes them, none of them shared with the runner. */
export abstract class AgentCommand extends Command {
  /** With its `v`, as releases of the original have it. */
  protected get version(): string {
    return `v${this.config.version}`;
  }

  /** What was given on the command line. Throws UserError. */
  protected given(): GivenFlags {
    return parseFlags(this.argv, this.id ?? '', this.ctor.flags);
  }

  override async catch(error: unknown): Promise<never> {
    throw error;
  }
}
