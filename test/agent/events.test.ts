import { describe, expect, it } from 'vitest';
import { createEventWriter } from '../../src/agent/index.ts';

const clock = { now: () => 1_767_225_600_999 };
const head = (event: string): string => `{"event":"${event}","timestamp":1767225600`;

function write(act: (events: ReturnType<typeof createEventWriter>) => void): string[] {
  const lines: string[] = [];
  act(createEventWriter({ log: { write: (line) => lines.push(line) }, clock }));
  return lines;
}

describe('createEventWriter', () => {
  it('writes the keys of every event in their order, times as whole seconds', () => {
    const lines = write((events) => {
      events.jobStarted();
      events.commandStarted('npm ci');
      events.output('added 120 packages\n');
      events.commandFinished({ directive: 'npm ci', exitCode: 3, startedAt: 1_767_225_601, finishedAt: 1_767_225_603 });
      events.jobFinished('failed');
    });
    expect(lines).toEqual([
      '{"event":"job_started","timestamp":1767225600}',
      '{"event":"cmd_started","timestamp":1767225600,"directive":"npm ci"}',
      '{"event":"cmd_output","timestamp":1767225600,"output":"added 120 packages\\n"}',
      '{"event":"cmd_finished","timestamp":1767225600,"directive":"npm ci","exit_code":3,"started_at":1767225601,"finished_at":1767225603}',
      '{"event":"job_finished","timestamp":1767225600,"result":"failed"}',
    ]);
  });

  it('writes no event for empty output', () => {
    expect(write((events) => events.output(''))).toEqual([]);
  });

  it.each([
    ['<b> & "q" \\', String.raw`\u003cb\u003e \u0026 \"q\" \\`],
    ['\u2028\u2029', String.raw`\u2028\u2029`],
    ['\u0000\u0001\u001B[1m\u001F\u007F', String.raw`\u0000\u0001\u001b[1m\u001f${'\u007F'}`],
    ['\b\f\n\r\t', String.raw`\b\f\n\r\t`],
    ['\uFFFD\uFFFD', String.raw`\ufffd\ufffd`],
    ['a\uD800b\uDC00', String.raw`a\ufffdb\ufffd`],
    [String.raw`C:\ud800`, String.raw`C:\\ud800`],
    ['žluťoučký 🐎 \u00A0', 'žluťoučký 🐎 \u00A0'],
    ['$& $1 <$&>', String.raw`$\u0026 $1 \u003c$\u0026\u003e`],
  ])('escapes %j as Go does', (text, escaped) => {
    expect(write((events) => events.output(text))).toEqual([`${head('cmd_output')},"output":"${escaped}"}`]);
    expect(write((events) => events.commandStarted(text))).toEqual([
      `${head('cmd_started')},"directive":"${escaped}"}`,
    ]);
  });

  it('writes output of any size as one line', () => {
    const text = '<html>\u0001\n'.repeat(100_000);
    const [line = '', ...more] = write((events) => events.output(text));
    expect(more).toEqual([]);
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({ event: 'cmd_output', timestamp: 1_767_225_600, output: text });
  });
});
