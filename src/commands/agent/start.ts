import * as Flags from '@oclif/core/flags';
import { AgentCommand } from './agent-command.ts';
import { expectWords } from './parse-flags.ts';

const text = (helpValue: string, description: string) => Flags.string({ helpValue, description });
const list = (helpValue: string, description: string) =>
  Flags.string({ helpValue, multiple: true, description: `${description} Comma separated; may be given again.` });

export default class AgentStart extends AgentCommand {
  static override summary = 'Take jobs from a Semaphore CI server and run them, until told to end.';

  static override description = `A flag wins over the variable SEMAPHORE_AGENT_<NAME>, that over the key in the file, that over the default; docs/agent-options.md has them all. The log goes to standard output and to SEMAPHORE_AGENT_LOG_FILE_PATH (or agent_log in the directory for temporary files), from SEMAPHORE_AGENT_LOG_LEVEL on.

The first SIGTERM or Ctrl-C asks the server for leave: a running job goes on for the grace period. The third Ctrl-C ends agent and job at once.

Exit codes: 0 ended as the server said, 1 wrong configuration, not registered or out of contact, 2 wrong usage, 130 ended at once.`;

  static override examples = [
    {
      description: 'With a configuration file',
      command: 'semaphore agent start --config-file /opt/semaphore/agent/config.yaml',
    },
    {
      description: 'With flags; the token comes from SEMAPHORE_AGENT_TOKEN',
      command: 'semaphore agent start --endpoint acme.semaphoreci.com --name builder-eu-07',
    },
    {
      description: 'For a single job, with variables for it',
      command: 'semaphore agent start --config-file config.yaml --disconnect-after-job --env-vars A=1,B=2',
    },
  ];

  static override flags = {
    'config-file': Flags.string({
      helpValue: '<file>',
      aliases: ['config'],
      description: 'Configuration file, YAML or JSON.',
    }),
    name: text('<name>', 'Name of the agent, 8 to 80 bytes, or a pre-signed URL. [default: a random one]'),
    'name-from-env': text('<variable>', 'Variable that holds the name; deprecated.'),
    endpoint: text('<host[:port]>', 'Host of the organization, for example acme.semaphoreci.com.'),
    token: text('<token>', 'Registration token. Others see it in the process list: better in a variable or the file.'),
    'no-https': Flags.boolean({ description: 'Speak HTTP; for tests only.' }),
    'shutdown-hook-path': text('<path>', 'Script that is run last.'),
    'pre-job-hook-path': text('<path>', "Script that is run in the job's shell before its commands."),
    'post-job-hook-path': text('<path>', "Script that is run in the job's shell at the end."),
    'disconnect-after-job': Flags.boolean({ description: 'End after a single job.' }),
    'job-id': text('<id>', 'The only job to ask for; with --disconnect-after-job.'),
    'disconnect-after-idle-timeout': text('<seconds>', 'End after so long without a job; 0 means never.'),
    'interruption-grace-period': text('<seconds>', 'What a running job gets after SIGTERM.'),
    'env-vars': list('<NAME=VALUE>', 'Variables for every job.'),
    files: list('<host:container>', 'Files for the main container of every job (Docker only).'),
    'fail-on-missing-files': Flags.boolean({ description: 'A missing host file of --files fails the job.' }),
    'upload-job-logs': Flags.string({
      options: ['never', 'always', 'when-trimmed'],
      description: 'When job logs are uploaded as artifacts. [default: never]',
    }),
    'fail-on-pre-job-hook-error': Flags.boolean({ description: 'A pre-job hook that fails makes the job fail.' }),
    'source-pre-job-hook': Flags.boolean({ description: 'Source the pre-job hook, so that it can set variables.' }),
    'kubernetes-executor': Flags.boolean({ description: 'Run jobs in Kubernetes pods.' }),
    'kubernetes-pod-spec': text('<name>', 'ConfigMap that decorates the pod.'),
    'kubernetes-allowed-images': list('<regex>', 'Images that may be run; all when none is given.'),
    'kubernetes-labels': list('<key=value>', 'Labels for pods and secrets.'),
    'kubernetes-pod-start-timeout': text('<seconds>', 'How long a pod may take to start. [default: 300]'),
    'kubernetes-default-image': text('<image>', 'Image for jobs that name none.'),
    'mask-job-secrets': Flags.boolean({ description: 'Mask variables and files of the job in its log.' }),
    'state-dir': text('<dir>', 'Where job logs are kept until they are delivered.'),
  };

  async run(): Promise<number> {
    const given = this.given();
    expectWords(given, 0, 'agent:start');
    const { startAgentCommand } = await import('./start-agent.ts');
    return await startAgentCommand(given.flags, this.version);
  }
}
