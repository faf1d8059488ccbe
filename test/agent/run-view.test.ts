import { describe, expect, it } from 'vitest';
import { createJobView } from '../../src/agent/run/job-view.ts';

interface Shown {
  event(name: string, fields?: object): void;
  after(ms: number): void;
  text(): string;
}

function view(options: { colour?: boolean; unfold?: boolean; clock?: boolean } = {}): Shown {
  let text = '';
  let now = 0;
  const { clock = true, ...rest } = options;
  const shown = createJobView({ ...rest, write: (part) => (text += part), ...(clock && { now: () => now }) });
  return {
    event: (name, fields = {}) => shown.line(JSON.stringify({ event: name, timestamp: 1, ...fields })),
    after: (ms) => {
      now += ms;
    },
    text: () => text,
  };
}

/** A command with its output. */
function command(shown: Shown, directive: string, outputs: string[], exitCode = 0, ms = 1200): void {
  shown.event('cmd_started', { directive });
  for (const output of outputs) shown.event('cmd_output', { output });
  shown.after(ms);
  shown.event('cmd_finished', { directive, exit_code: exitCode, started_at: 1, finished_at: 2 });
}

describe('the view of a job', () => {
  it('shows commands, their output as it comes, how they ended, and the result', () => {
    const shown = view();
    shown.event('job_started');
    command(shown, 'Exporting environment variables', ['Exporting A\n', 'Exporting B\n'], 0, 3);
    command(shown, 'Injecting Files', [], 0, 0);
    command(shown, 'Show it', ['Running: cat x\n', 'half', ' line\n']);
    command(shown, 'false', [], 1, 65_000);
    shown.event('job_finished', { result: 'failed' });
    expect(shown.text()).toBe(
      `✓ Exporting environment variables (2)  3 ms
✓ Injecting Files  0 ms
▶ Show it
Running: cat x
half line
✓ Show it  1.2 s
▶ false
✗ false  exit code 1  1 min 5 s

Job failed after 1 min 6 s
`,
    );
  });

  it('shows what a folded group has said when it fails, or when asked to', () => {
    const failed = view();
    command(failed, 'Injecting Files', ['Injecting /x with file mode 9\n', "bad file permission '9'\n"], 1, 2);
    expect(failed.text()).toBe(
      "▶ Injecting Files\nInjecting /x with file mode 9\nbad file permission '9'\n✗ Injecting Files  exit code 1  2 ms\n",
    );
    const unfolded = view({ unfold: true });
    command(unfolded, 'Exporting environment variables', ['Exporting A\n'], 0, 2);
    expect(unfolded.text()).toBe(
      '▶ Exporting environment variables\nExporting A\n✓ Exporting environment variables  2 ms\n',
    );
  });

  it('goes on in a line of its own', () => {
    const shown = view();
    command(shown, 'printf x', ['x']);
    expect(shown.text()).toBe('▶ printf x\nx\n✓ printf x  1.2 s\n');
  });

  it('shortens a command of several lines', () => {
    const shown = view();
    command(shown, 'if true\nthen echo\nfi\n', [], 0, 1);
    expect(shown.text()).toContain('▶ if true … (2 more lines)\n');
  });

  it.each([
    ['passed', 32],
    ['failed', 31],
    ['stopped', 33],
  ])('is coloured on a terminal: %s', (result, code) => {
    const shown = view({ colour: true });
    command(shown, 'a', ['\u001B[35mleft in purple'], 2, 1);
    shown.event('job_finished', { result });
    expect(shown.text()).toContain('\n\u001B[0m\u001B[31m✗ a  exit code 2\u001B[0m');
    expect(shown.text()).toContain(`\u001B[${code}mJob ${result} after`);
  });

  it('tells no durations without a clock', () => {
    const shown = view({ clock: false });
    command(shown, 'a', []);
    shown.event('job_finished', { result: 'passed' });
    expect(shown.text()).toBe('▶ a\n✓ a\n\nJob passed\n');
  });

  it('passes over lines that are no events', () => {
    const shown = view();
    shown.event('cmd_new');
    expect(shown.text()).toBe('');
  });
});
