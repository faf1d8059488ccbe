import * as Flags from '@oclif/core/flags';
import { AgentCommand } from './agent-command.ts';
import { expectWords } from './parse-flags.ts';

const text = (helpValue: string, description: string) => Flags.string({ helpValue, description });

export default class AgentServe extends AgentCommand {
  static override summary = 'Serve HTTPS, be given one job, run it, and let its log be fetched.';

  static override description = `Hosted mode: whoever has the secret signs a token (JWT), posts a job to /jobs and reads /jobs/<id>/log. One process runs one job.

Exit codes: 0 ended by a signal, 1 wrong configuration or no certificate or port, 2 wrong usage, 130 or 143 ended by a further signal.`;

  static override examples = [
    {
      description: 'On this machine, with a certificate made for the moment',
      command: 'semaphore agent serve --auth-token-secret $SECRET --host 127.0.0.1 --self-signed',
    },
    {
      description: 'With a certificate',
      command: 'semaphore agent serve --auth-token-secret $SECRET --tls-cert-path agent.pem --tls-key-path agent.key',
    },
  ];

  static override flags = {
    'auth-token-secret': text('<secret>', 'Secret of the tokens. Mandatory.'),
    port: text('<port>', 'Port to listen on. [default: 8000]'),
    host: text('<address>', 'Address to listen on. [default: 0.0.0.0]'),
    'tls-cert-path': text('<file>', 'Certificate, PEM. [default: server.crt]'),
    'tls-key-path': text('<file>', 'Key of the certificate, PEM. [default: server.key]'),
    'self-signed': Flags.boolean({ description: 'Make a certificate for this run when neither file is there.' }),
    'statsd-host': text('<host>', 'StatsD for metrics; with --statsd-port.'),
    'statsd-port': text('<port>', 'Port of the StatsD.'),
    'statsd-namespace': text('<text>', 'First part of the names of metrics. [default: agent.prod]'),
    'callback-retry-attempts': text('<count>', 'Attempts for each callback. [default: 300]'),
    'pre-job-hook-path': text('<path>', "Script that is sourced in the job's shell; its failure fails the job."),
    files: Flags.string({
      helpValue: '<host:container>',
      multiple: true,
      description: 'Files for the main container (Docker only). Comma separated; may be given again.',
    }),
    'expose-kvm-device': Flags.boolean({
      description: 'Give /dev/kvm to containers (Docker only); --expose-kvm-device=false does not. [default: true]',
    }),
    'mask-job-secrets': Flags.boolean({ description: 'Mask variables and files of the job in its log.' }),
  };

  async run(): Promise<number> {
    const given = this.given();
    expectWords(given, 0, 'agent:serve');
    const { serveAgentCommand } = await import('./serve-agent.ts');
    return await serveAgentCommand(given.flags, this.version);
  }
}
