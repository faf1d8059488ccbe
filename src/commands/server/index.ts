import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/index.ts';

export default class Server extends BaseCommand {
  static override summary = 'Serve tasks to runners from one YAML file, with the REST API of Semaphore UI.';

  static override description = `Projects, repositories, inventories, variables, keys, templates and schedules stand in one file; server.example.yaml shows how. Runners of Semaphore UI 2.10 and newer can register and work; clients of its API can start and watch tasks.

Ends with SIGTERM or Ctrl-C; running tasks go on, and report when the server is back. SIGHUP reads the file again.

Exit codes: 0 ended by a signal, 2 wrong usage or configuration.`;

  static override examples = [
    { description: 'Start', command: 'semaphore server --config server.yaml' },
    {
      description: 'Elsewhere than the file says',
      command: 'semaphore server --config server.yaml --listen 127.0.0.1:8080 --data-dir /var/lib/semaphore',
    },
  ];

  static override baseFlags = {
    ...BaseCommand.baseFlags,
    config: Flags.string({
      helpGroup: 'GLOBAL',
      helpValue: '<file>',
      description: 'The server file, YAML. [default: server.yaml in the current directory]',
    }),
    // Of no use here: all that is served stands in the file.
    'no-config': Flags.boolean({ hidden: true }),
  };

  static override flags = {
    listen: Flags.string({
      helpValue: '<host:port>',
      description: 'Address and port instead of `listen` in the file. [default: 127.0.0.1:3000]',
    }),
    'data-dir': Flags.string({
      helpValue: '<dir>',
      description: 'Directory of state and logs instead of `data_dir`. [default: .semaphore-server beside the file]',
    }),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(Server);
    const { serve } = await import('./serve.ts');
    return await serve(flags);
  }
}
