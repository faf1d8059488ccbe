import { parseEvent } from '../playground/hub/index.ts';
import { createInk } from './ink.ts';
import { durationText, firstLineOf, outputLines } from './view-texts.ts';

export interface JobViewOptions {
  /** Where the view goes, in pieces of any length. */
  write: (text: string) => void;
  /** @default false */
  colour?: boolean;
  /** Show what the groups print that are folded otherwise. @default false */
  unfold?: boolean;
  /** Milliseconds, of a clock that only goes forward; undefined when the events come late, and tell nothing of how long anything took. */
  now?: (() => number) | undefined;
}

/** Shows a job to whoever waits for it. */
export interface JobView {
  /** The next event of the job, as a line of its log. */
  line(json: string): void;
}

/** The agent's own work, of which one line is enough unless it fails. */
const foldedGroups = new Set(['Exporting environment variables', 'Injecting Files']);

interface OpenCommand {
  directive: string;
  startedMs: number;
  /** What a folded group has printed; undefined for one that is shown as it goes. */
  folded: string | undefined;
}

/**
 * A job as it runs, for people: a line for each command with its name, below it what it prints, as it comes, then how it ended and how long it
 * took; a folded group is one line; last comes the result.
 */
export function createJobView({ write, colour = false, unfold = false, now }: JobViewOptions): JobView {
  const ink = createInk(colour);
  let open: OpenCommand | undefined;
  const elapsed = (sinceMs: number): string => (now ? durationText(now() - sinceMs) : '');
  const present = now ?? (() => 0);
  let startedMs = present();
  let isLineOpen = false;

  function put(text: string): void {
    if (text === '') return;
    write(text);
    isLineOpen = !text.endsWith('\n');
  }

  /** Whatever a command has left the terminal in, the view goes on in a line of its own. */
  function putLine(text: string): void {
    if (isLineOpen) put('\n');
    put(`${ink.reset}${text}\n`);
  }

  function begin(directive: string): void {
    const folded = !unfold && foldedGroups.has(directive) ? '' : undefined;
    open = { directive, startedMs: present(), folded };
    if (folded === undefined) putLine(ink.bold(`▶ ${firstLineOf(directive)}`));
  }

  function end(exitCode: number): void {
    if (!open) return;
    const { directive, folded } = open;
    const took = elapsed(open.startedMs);
    const name = firstLineOf(directive);
    open = undefined;
    if (exitCode === 0) {
      const lines = folded === undefined ? 0 : outputLines(folded);
      putLine(`${ink.green(`✓ ${name}`)}${ink.dim(`${lines > 0 ? ` (${lines})` : ''}${aside(took)}`)}`);
      return;
    }
    if (folded !== undefined) {
      putLine(ink.bold(`▶ ${name}`));
      put(folded);
    }
    putLine(`${ink.red(`✗ ${name}  exit code ${exitCode}`)}${ink.dim(aside(took))}`);
  }

  function finish(result: string): void {
    const text = `Job ${result}${now ? ` after ${elapsed(startedMs)}` : ''}`;
    putLine('');
    putLine(result === 'passed' ? ink.green(text) : result === 'failed' ? ink.red(text) : ink.yellow(text));
  }

  return {
    line: (json) => {
      const event = parseEvent(json);
      switch (event?.event) {
        case 'job_started':
          startedMs = present();
          break;
        case 'cmd_started':
          begin(event.directive ?? '');
          break;
        case 'cmd_output':
          if (open?.folded === undefined) put(event.output ?? '');
          else open.folded += event.output ?? '';
          break;
        case 'cmd_finished':
          end(event.exit_code ?? 0);
          break;
        case 'job_finished':
          finish(event.result ?? '');
          break;
        default:
          break;
      }
    },
  };
}

function aside(text: string): string {
  return text === '' ? '' : `  ${text}`;
}
