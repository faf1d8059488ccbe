import type { PlaygroundJob } from './run-playground.ts';

const encode = (text: string): string => Buffer.from(text).toString('base64');

/** A job for whoever has none: variables, an alias, a shell that lasts, an epilogue. */
export function exampleJob(): PlaygroundJob {
  return {
    executor: 'shell',
    env_vars: [{ name: 'GREETING', value: encode('Hello from a self-hosted job') }],
    files: [],
    commands: [
      { directive: 'echo "$GREETING"', alias: 'Say hello' },
      { directive: 'cd /tmp && count=0' },
      { directive: 'while [ $count -lt 3 ]; do count=$((count + 1)); echo "line $count in $PWD"; sleep 0.3; done' },
    ],
    epilogue_always_commands: [{ directive: 'echo "The job has $SEMAPHORE_JOB_RESULT"', alias: 'Epilogue' }],
    epilogue_on_pass_commands: [],
    epilogue_on_fail_commands: [],
  };
}
