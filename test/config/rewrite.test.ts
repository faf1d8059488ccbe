import { chmodSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeConfigFile, changedText, loadRunnerConfig } from '../../src/config/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const json = (text: string, key: string, value: string | undefined) =>
  changedText('config.json', text, [{ key, value }]);
const yaml = (text: string, key: string, value: string | undefined) =>
  changedText('config.yaml', text, [{ key, value }]);

describe('a change of a configuration file', () => {
  it('keeps unknown keys, their order, comments and indentation of JSON', async () => {
    const before = `{
	// who
	"zebra": [1, 2,  3],
	"runner": {
		"name": "x", // and a tail
		"later": null
	},
	"web_host": "http://x"
}
`;
    expect(await json(before, 'runner.token', 'abc')).toBe(
      before.replace('"later": null', '"later": null,\n\t\t"token": "abc"'),
    );
    expect(await json(await json(before, 'runner.token', 'abc'), 'runner.token', 'def')).toContain(
      '"token": "def"\n\t}',
    );
  });

  it('keeps comments and order of YAML', async () => {
    const before = '# head\nzebra: [1, 2]\nrunner:\n  name: x # tail\n  later:\nweb_host: http://x\n';
    expect(await yaml(before, 'runner.token', 'abc=')).toBe(
      '# head\nzebra: [ 1, 2 ]\nrunner:\n  name: x # tail\n  later:\n  token: abc=\nweb_host: http://x\n',
    );
  });

  it('uses the spelling that is there', async () => {
    expect(await json('{"Runner": {"TOKEN": "a"}}', 'runner.token', 'b')).toBe('{"Runner": {"TOKEN": "b"}}');
    expect(await yaml('Runner: {TOKEN: a}\n', 'runner.token', 'b')).toBe('Runner: { TOKEN: b }\n');
  });

  it('makes the section when it is missing or null', async () => {
    for (const before of ['{}', '{"runner": null}', '{"web_host": "x"}']) {
      expect(JSON.parse(await json(before, 'runner.token', 'b'))).toMatchObject({ runner: { token: 'b' } });
    }
    expect(await yaml('runner:\n', 'runner.token', 'b')).toBe('runner:\n  token: b\n');
    expect(await yaml('', 'runner.token', 'b')).toBe('runner:\n  token: b\n');
  });

  it('removes a key, and nothing when it is not there', async () => {
    expect(
      JSON.parse(await json('{"runner": {"name": "x", "token": "a"}, "b": 1}', 'runner.token', undefined)),
    ).toEqual({ runner: { name: 'x' }, b: 1 });
    for (const untouched of ['{"runner": {"name": "x"}}', '{"runner": null}', '{}']) {
      expect(await json(untouched, 'runner.token', undefined)).toBe(untouched);
    }
    expect(await yaml('runner:\n  token: a\n  name: x\n', 'runner.token', undefined)).toBe('runner:\n  name: x\n');
    expect(await yaml('a: 1\n', 'runner.token', undefined)).toBe('a: 1\n');
  });

  it('makes several changes that build on each other', async () => {
    const text = await changedText('x.json', '{}\n', [
      { key: 'web_host', value: 'http://x' },
      { key: 'runner.token_file', value: '/t' },
      { key: 'runner.token', value: undefined },
      { key: 'runner.tags', value: ['a', 'b'] },
      { key: 'runner.max_parallel_tasks', value: 3 },
    ]);
    expect(text).toBe(`{
  "web_host": "http://x",
  "runner": {
    "token_file": "/t",
    "tags": [
      "a",
      "b"
    ],
    "max_parallel_tasks": 3
  }
}
`);
  });

  it('can store any token, and the loader reads it back', async () => {
    const cwd = tempDir();
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1 }).filter((token) => token.trim() === token && token !== ''),
        fc.constantFrom('{ // c\n "runner": {"x": 1,},\n}', '{"Runner": null}', '{}'),
        fc.boolean(),
        async (token, text, asYaml) => {
          const file = join(cwd, asYaml ? 'c.yaml' : 'c.json');
          writeFileSync(file, asYaml ? '# c\nrunner: {x: 1}\n' : text, { mode: 0o600 });
          await changeConfigFile(file, [{ key: 'runner.token', value: token }]);
          const { config } = await loadRunnerConfig({ configPath: file, env: {}, cwd });
          expect(config.runner.token).toBe(token);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves mode 0600 and follows a link', async () => {
    const cwd = tempDir();
    writeFileSync(join(cwd, 'real.json'), '{}');
    chmodSync(join(cwd, 'real.json'), 0o644);
    symlinkSync('real.json', join(cwd, 'link.json'));
    await changeConfigFile(join(cwd, 'link.json'), [{ key: 'runner.token', value: 'x' }]);
    expect(lstatSync(join(cwd, 'link.json')).isSymbolicLink()).toBe(true);
    expect(statSync(join(cwd, 'real.json')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(cwd, 'real.json'), 'utf8'))).toEqual({ runner: { token: 'x' } });
  });

  it('does not touch a file it cannot parse', async () => {
    const file = join(tempDir(), 'c.json');
    writeFileSync(file, '{"a": ');
    await expect(changeConfigFile(file, [{ key: 'a', value: 'b' }])).rejects.toThrow(/not valid JSON/);
    expect(readFileSync(file, 'utf8')).toBe('{"a": ');
  });
});
