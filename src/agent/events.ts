import type { JobEvents } from '../executors/index.ts';
import type { Clock } from '../lib/index.ts';
import type { JobResult } from '../protocol/ci/index.ts';
import { createMasker } from '../logs/index.ts';
import { MaskedOutput } from './job/mask-output.ts';
import type { JobLog } from './types.ts';

/** The events of one job, from its first line to its last. */
export interface JobEventWriter extends JobEvents {
  jobStarted(): void;
  jobFinished(result: JobResult): void;
}

export interface EventWriterOptions {
  log: Pick<JobLog, 'write'>;
  clock: Pick<Clock, 'now'>;
  /** What the log shall not show: see `jobSecrets`. Shorter ones than four characters are shown. @default none */
  secrets?: readonly string[];
}

const leastSecret = 4;

/**
 * Writes events as lines of JSON, with the keys in the order that readers of the original compare (spec CI 5.3). A chunk of output, however
 * large, is one call of the JSON encoder.
 */
export function createEventWriter({ log, clock, secrets = [] }: EventWriterOptions): JobEventWriter {
  const events = createPlainWriter({ log, clock });
  return secrets.length === 0 ? events : masked(events, secrets);
}

/** The same with `***` where a secret was. Directives are masked, too: a job may have written one down in them. */
function masked(events: JobEventWriter, secrets: readonly string[]): JobEventWriter {
  const masker = createMasker(secrets, leastSecret);
  const output = new MaskedOutput({ masker, secrets, minLength: leastSecret, write: (text) => events.output(text) });
  return {
    jobStarted: () => events.jobStarted(),
    commandStarted: (directive) => {
      output.flush();
      events.commandStarted(masker.mask(directive));
    },
    output: (text) => output.push(text),
    commandFinished: (command) => {
      output.flush();
      events.commandFinished({ ...command, directive: masker.mask(command.directive) });
    },
    jobFinished: (result) => {
      output.flush();
      events.jobFinished(result);
    },
  };
}

function createPlainWriter({ log, clock }: Omit<EventWriterOptions, 'secrets'>): JobEventWriter {
  const head = (event: string): string => `{"event":"${event}","timestamp":${Math.floor(clock.now() / 1000)}`;
  return {
    jobStarted: () => log.write(`${head('job_started')}}`),
    jobFinished: (result) => log.write(`${head('job_finished')},"result":"${result}"}`),
    commandStarted: (directive) => log.write(`${head('cmd_started')},"directive":${encodeText(directive)}}`),
    output: (text) => {
      if (text !== '') log.write(`${head('cmd_output')},"output":${encodeText(text)}}`);
    },
    commandFinished: ({ directive, exitCode, startedAt, finishedAt }) =>
      log.write(
        `${head('cmd_finished')},"directive":${encodeText(directive)},"exit_code":${exitCode}` +
          `,"started_at":${startedAt},"finished_at":${finishedAt}}`,
      ),
  };
}

/** What Go's encoder escapes and JavaScript's does not; U+FFFD, because it is what an invalid byte has become. */
const escapes: readonly (readonly [RegExp, string])[] = [
  [/</g, String.raw`\u003c`],
  [/>/g, String.raw`\u003e`],
  [/&/g, String.raw`\u0026`],
  [/\u2028/g, String.raw`\u2028`],
  [/\u2029/g, String.raw`\u2029`],
  [/\uFFFD/g, String.raw`\ufffd`],
];
const needsEscape = /[<>&\u2028\u2029\uFFFD]/;

/** A JSON string as Go's encoder writes it. */
function encodeText(text: string): string {
  let json = JSON.stringify(text);
  // Half of a surrogate pair stands for no character; Go knows no such text.
  if (json.includes(String.raw`\ud`)) json = JSON.stringify(text.replaceAll(/\p{Surrogate}/gu, '\uFFFD'));
  if (!needsEscape.test(json)) return json;
  for (const [character, escape] of escapes) json = json.replace(character, escape);
  return json;
}
