import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compactJson, parseJson } from '../../src/tasks/json.ts';
import { lenientDocument, strictDocument, type Output } from '../../src/tasks/outputs/document.ts';
import { checkOutputs } from '../../src/server/tasks/outputs.ts';
import { TestRepository } from '../support/git-repository.ts';
import { testTaskHost } from '../support/task-host.ts';
import { taskRoom, type JobParts } from './support.ts';

const noSecrets = { values: [], minLength: 4 };

function outputs(values: Record<string, unknown>, sensitive: readonly string[] = []): Output[] {
  return Object.entries(values).map(([name, value]) => ({ name, value, sensitive: sensitive.includes(name) }));
}

function many(count: number, value: unknown): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`v${index}`, value]));
}

describe('the document of what a process wrote', () => {
  it('has every value as it was written', () => {
    const text = ' {"a": [1, {"b": null}], "big": 12345678901234567890, "__proto__": "own", "_x-1": 1.10, "ü": "x"} ';
    expect(() => strictDocument(text, noSecrets)).toThrow(/"ü" cannot be a name/);
    const document = strictDocument(text.replace('"ü"', '"u"'), noSecrets);
    expect(document.text).toBe(
      '{"values":{"a":[1,{"b":null}],"big":12345678901234567890,"__proto__":"own","_x-1":1.10,"u":"x"},"skipped":{}}',
    );
  });

  it.each(['', ' \n', '{}'])('is none for %j', (text) => {
    expect(strictDocument(text, noSecrets).text).toBeUndefined();
  });

  it.each([
    ['no JSON', '{', 'the file is not JSON'],
    ['a list', '[1]', 'the file is not a JSON object'],
    ['null', 'null', 'the file is not a JSON object'],
    ['a number', '1', 'the file is not a JSON object'],
    ['two objects', '{"a":1}{"b":2}', 'the file is not JSON'],
    ['what is nested without end', `{"a":${'['.repeat(60_000)}${']'.repeat(60_000)}}`, 'the file is not JSON'],
    ['a name with a space', '{"a b":1}', '"a b" cannot be a name'],
    ['a name that begins with a digit', '{"1a":1}', '"1a" cannot be a name'],
    ['an empty name', '{"":1}', '"" cannot be a name'],
    ['too many', JSON.stringify(many(101, 1)), 'there are 101, and 100 is the most'],
    ['a value that is too large', JSON.stringify({ a: 'x'.repeat(32 * 1024 - 1) }), '"a" is larger than 32768 bytes'],
    ['too much', JSON.stringify(many(9, 'x'.repeat(30_000))), 'larger than 262144 bytes'],
  ])('is refused for %s', (_what, text, reason) => {
    expect(() => strictDocument(text, noSecrets)).toThrow(`Invalid task outputs: `);
    expect(() => strictDocument(text, noSecrets)).toThrow(reason);
  });

  it.each([
    ['100 outputs', many(100, 1)],
    ['a value of 32 KiB', { a: 'x'.repeat(32 * 1024 - 2) }],
    ['nearly 256 KiB', many(8, 'x'.repeat(32_000))],
  ])('may have %s, which servers take', (_what, values) => {
    const { text = '' } = strictDocument(JSON.stringify(values), noSecrets);
    expect(JSON.parse(text)).toEqual({ values, skipped: {} });
    expect(checkOutputs(text)).toBeUndefined();
  });

  it('leaves out what a secret is in, at any depth and in any form', () => {
    const secret = 's3cret "word"';
    const values = {
      plain: `password: ${secret}`,
      deep: [{ list: [secret] }],
      name: { [secret]: 1 },
      base64: Buffer.from(secret).toString('base64'),
      number: 99_001_234,
      good: 'nothing to hide',
    };
    const document = strictDocument(JSON.stringify(values), { values: [secret, '1234'], minLength: 4 });
    expect(JSON.parse(document.text ?? '')).toEqual({
      values: { good: 'nothing to hide' },
      skipped: { plain: 'sensitive', deep: 'sensitive', name: 'sensitive', base64: 'sensitive', number: 'sensitive' },
    });
    expect(checkOutputs(document.text ?? '')).toBeUndefined();
  });
});

describe('the document of what a tool tells', () => {
  it('leaves out what cannot be handed on and says why, and never fails', () => {
    const values = { ok: parseJson('1e2'), hidden: 'x', 'not a name': 1, large: 'x'.repeat(40_000), other: 'a secret' };
    const secrets = { values: ['a secret'], minLength: 4 };
    expect(lenientDocument(outputs(values, ['hidden']), secrets)).toEqual({
      text: '{"values":{"ok":100},"skipped":{"hidden":"sensitive","not a name":"invalid_name","large":"too_large","other":"sensitive"}}',
      skipped: { hidden: 'sensitive', 'not a name': 'invalid_name', large: 'too_large', other: 'sensitive' },
    });
  });

  it.each([
    ['number', many(120, 1), 100],
    ['bytes', many(20, 'x'.repeat(30_000)), 8],
  ])('stays within the limits of %s', (_what, values, kept) => {
    const { skipped, text = '' } = lenientDocument(outputs(values), noSecrets);
    expect(checkOutputs(text)).toBeUndefined();
    const document = JSON.parse(text) as { values: Record<string, unknown> };
    expect(Object.keys(document.values)).toHaveLength(kept);
    expect(new Set(Object.values(skipped))).toEqual(new Set(['limit']));
    expect(Object.keys(skipped)).toHaveLength(Object.keys(values).length - kept);
  });

  it('is none when there are no outputs', () => {
    expect(lenientDocument([], noSecrets).text).toBeUndefined();
    expect(compactJson(parseJson('{"a":{}}'))).toBe('{"a":{}}');
  });
});

function script(text: string): JobParts {
  const repository = new TestRepository();
  repository.commit({ 'run.sh': text });
  return { task: { workflow_run_id: 5 }, repository: { git_url: repository.url } };
}

describe('a workflow task', () => {
  const reasonIn = (outcome: unknown) => (outcome as { reason?: string }).reason ?? '';

  it('hands on what it writes to $SEMAPHORE_OUTPUTS_FILE, a private file', async () => {
    const look = 'stat -c "%a %u %s" "$SEMAPHORE_OUTPUTS_FILE"; stat -c %a "$(dirname "$SEMAPHORE_OUTPUTS_FILE")"';
    const { outcome, lines } = await taskRoom().run(
      script(`${look}; echo '{"version": "1.4.0", "hosts": ["a", "b"]}' >"$SEMAPHORE_OUTPUTS_FILE"`),
    );
    expect(lines.slice(-2)).toEqual([`600 ${process.getuid?.()} 0`, '700']);
    expect(outcome).toEqual({
      kind: 'success',
      outputs: '{"values":{"version":"1.4.0","hosts":["a","b"]},"skipped":{}}',
    });
  });

  it('may hand on nothing', async () => {
    expect((await taskRoom().run(script('true'))).outcome).toEqual({ kind: 'success' });
    expect((await taskRoom().run(script('rm "$SEMAPHORE_OUTPUTS_FILE"'))).outcome).toEqual({ kind: 'success' });
  });

  it('takes a file that was moved into place, and one with a byte order mark', async () => {
    const { outcome } = await taskRoom().run(
      script(String.raw`f="$SEMAPHORE_OUTPUTS_FILE"; printf '\357\273\277{"a":1}' >"$f.new"; mv "$f.new" "$f"`),
    );
    expect(outcome).toEqual({ kind: 'success', outputs: '{"values":{"a":1},"skipped":{}}' });
  });

  it.each([
    ['no JSON', 'echo oops >"$SEMAPHORE_OUTPUTS_FILE"', 'the file is not JSON'],
    ['too much', 'head -c 262145 /dev/zero | tr "\\0" " " >"$SEMAPHORE_OUTPUTS_FILE"', 'larger than 262144 bytes'],
    ['no UTF-8', String.raw`printf '{"a":"\377"}' >"$SEMAPHORE_OUTPUTS_FILE"`, 'the file is not UTF-8'],
    ['a link', 'ln -sf /etc/hostname "$SEMAPHORE_OUTPUTS_FILE"', 'the file is a symbolic link'],
    [
      'a pipe nobody writes to',
      'rm "$SEMAPHORE_OUTPUTS_FILE"; mkfifo "$SEMAPHORE_OUTPUTS_FILE"',
      'the file is not a regular file',
    ],
    ['a directory', 'rm "$SEMAPHORE_OUTPUTS_FILE"; mkdir "$SEMAPHORE_OUTPUTS_FILE"', 'the file is not a regular file'],
  ])('fails when it leaves %s', async (_what, text, reason) => {
    const { outcome } = await taskRoom().run(script(text));
    expect(reasonIn(outcome)).toMatch(/^Task failed in outputs: Invalid task outputs: /);
    expect(reasonIn(outcome)).toContain(reason);
  });

  it('has no outputs when it fails or is stopped', async () => {
    const write = `echo '{"a":1}' >"$SEMAPHORE_OUTPUTS_FILE"`;
    const failed = await taskRoom().run(script(`${write}; exit 3`));
    expect(reasonIn(failed.outcome)).toMatch(/^Task failed in run: bash exited with code 3/);
    // Invalid outputs of a failed task are not what made it fail.
    const both = await taskRoom().run(script(`echo oops >"$SEMAPHORE_OUTPUTS_FILE"; exit 3`));
    expect(reasonIn(both.outcome)).toMatch(/^Task failed in run/);
    const task = await testTaskHost((step) => step.key === 'run' && setTimeout(() => task.stop(), 500));
    const stopped = await taskRoom().run(script(`${write}; sleep 30`), { host: task });
    expect(stopped.outcome).toEqual({ kind: 'stopped' });
  });

  it('leaves out what is secret and says so in the log, without the value', async () => {
    const { outcome, lines } = await taskRoom().run({
      ...script(`echo "{\\"token\\": \\"$TOKEN\\", \\"a\\": 1}" >"$SEMAPHORE_OUTPUTS_FILE"`),
      environment: { secrets: [{ id: 1, type: 'env', name: 'TOKEN', secret: 'the-s3cret-token' }] },
    });
    expect(outcome).toEqual({ kind: 'success', outputs: '{"values":{"a":1},"skipped":{"token":"sensitive"}}' });
    expect(lines.at(-1)).toBe('Outputs that are not handed on: token (sensitive).');
  });

  it('has no such file outside of a workflow', async () => {
    const { outcome, lines } = await taskRoom().run({
      ...script('echo "file: ${SEMAPHORE_OUTPUTS_FILE-none}"'),
      task: {},
    });
    expect(lines.at(-1)).toBe('file: none');
    expect(outcome).toEqual({ kind: 'success' });
  });

  it.runIf(process.getuid?.() === 0)(
    'as another user: owns the file, and cannot make the runner read for it',
    async () => {
      const process = { user: undefined, uid: 65_534, gid: 65_534, chroot: undefined, noNewPrivs: false };
      const room = taskRoom();
      chmodSync(room.root, 0o711);
      const asNobody = async (text: string) => {
        const parts = script(text);
        const path = String(parts.repository?.['git_url']).slice('file://'.length);
        execFileSync('chown', ['-R', '65534', dirname(path)]);
        return room.run(parts, { config: { process } });
      };
      const own = await asNobody(
        'id -u; stat -c %u "$SEMAPHORE_OUTPUTS_FILE"; echo "{\\"a\\":1}" >"$SEMAPHORE_OUTPUTS_FILE"',
      );
      expect(own.lines.slice(-2)).toEqual(['65534', '65534']);
      expect(own.outcome).toEqual({ kind: 'success', outputs: '{"values":{"a":1},"skipped":{}}' });
      // The directory is the user's, so a link may stand for it, behind which is a file of ours with the right name.
      const bait = join(room.root, 'outputs.json');
      writeFileSync(bait, '{"token":"of-the-runner"}', { mode: 0o600 });
      const trick = await asNobody(
        `d="$(dirname "$SEMAPHORE_OUTPUTS_FILE")"; rm -f "$d/outputs.json"; ln "${bait}" "$d/outputs.json" || ` +
          `{ mv "$d" "$d.old"; ln -s ${room.root} "$d"; }`,
      );
      expect(reasonIn(trick.outcome)).toMatch(/Invalid task outputs: the file belongs to another user/);
      expect([statSync(bait).uid, readFileSync(bait, 'utf8')]).toEqual([0, '{"token":"of-the-runner"}']);
    },
  );
});
