import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeConfig, loadRunnerConfig, runnerKeyTable, type ConfigKey } from '../../src/config/index.ts';
import { failureOf, loadText } from './support.ts';

const { keys, withVariable } = runnerKeyTable();
const root = join(import.meta.dirname, '../..');

describe('every key', () => {
  it.each(keys.map((key) => [key.dotted, key] as const))('%s is complete', (_, { schema }) => {
    expect(schema.description, 'a description').toMatch(/\S.*\.$/);
    expect(schema.env ?? schema.noEnv, 'a variable, or the reason why there is none').toBeTruthy();
    expect(schema.env ?? 'SEMAPHORE_X').toMatch(/^SEMAPHORE_[A-Z0-9_]+$/);
    if (schema.own) expect(schema.env).toMatch(/^SEMAPHORE_RUNNER_/);
  });

  it('has a variable of its own, but for older names of the same thing', () => {
    const names = withVariable.map(({ schema }) => schema.env);
    const twice = names.filter((name, index) => names.indexOf(name) !== index);
    expect(twice).toEqual(['SEMAPHORE_SSH_PATH', 'SEMAPHORE_SECRETS_PATH']);
  });

  it.each(withVariable.map((key) => [key.schema.env ?? '', key] as const))(
    'is set by its variable: %s',
    async (name, key) => {
      const { text, value } = sampleOf(key);
      const { values } = await loadRunnerConfig({ noConfig: true, env: { [name]: text }, cwd: '/' });
      const found = key.path.reduce<unknown>((object, part) => (object as Record<string, unknown>)[part], values);
      if (key.schema.properties) expect(found).toMatchObject(value as object);
      else expect(found).toEqual(value);
    },
  );

  it.each(keys.filter(({ path }) => !path.includes('<name>')).map((key) => [key.dotted, key] as const))(
    'is refused in the file when it is of another kind: %s',
    async (dotted, { path }) => {
      const wrong = path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), { no: [true] });
      const message =
        dotted === 'apps'
          ? /apps\.no is a list/
          : dotted === 'env_vars'
            ? /env_vars\.no is a list/
            : new RegExp(`${dotted.replaceAll('.', String.raw`\.`)} is an? \\w+; expected `);
      expect(await failureOf(loadText(JSON.stringify(wrong)))).toMatch(message);
    },
  );

  it('is in the example, which loads without a doubt', async () => {
    const text = readFileSync(join(root, 'runner.config.example.json'), 'utf8');
    const used = keys.filter(
      ({ schema, path }) => schema.unused === undefined && schema.unsupported === undefined && !path.includes('<name>'),
    );
    for (const { path } of used) expect(text).toContain(`"${path.at(-1) ?? ''}": `);
    const { warnings } = await loadText(text, { name: 'config.json' });
    expect(warnings).toEqual([]);
  });

  it('is shown, secrets hidden', async () => {
    const loaded = await loadText(
      '{"web_host": "https://user:pass@x", "env_vars": {"A": "1"}, "runner": {"token": "hidden"}}',
    );
    const rows = describeConfig(loaded);
    expect(rows.map(({ key }) => key)).toEqual(
      keys.filter(({ path }) => !path.includes('<name>')).map(({ dotted }) => dotted),
    );
    expect(rows.filter(({ source }) => source !== undefined).map(({ key, value }) => `${key}=${value}`)).toEqual([
      'web_host="https://***@x"',
      'runner.token=***',
      'env_vars={"A":"1"}',
    ]);
    expect(JSON.stringify(rows)).not.toMatch(/hidden|:pass/);
  });
});

describe('the layers', () => {
  const values = [
    'runner.name',
    'runner.webhook',
    'runner.connection.server_ca_cert_file',
    'runner.executor.docker.image',
    'tmp_path',
  ];
  const layer = fc.dictionary(fc.constantFrom(...values), fc.stringMatching(/^[a-z]{1,8}$/), { noNullPrototype: true });

  it('give for each key the value of the highest layer that has it', async () => {
    await fc.assert(
      fc.asyncProperty(layer, layer, layer, async (file, env, flags) => {
        const loaded = await loadText(JSON.stringify(nested(file)), {
          env: Object.fromEntries(Object.entries(env).map(([dotted, value]) => [variableOf(dotted), value])),
          flags,
        });
        for (const dotted of values) {
          const found = dotted
            .split('.')
            .reduce<unknown>((object, part) => (object as Record<string, unknown>)[part], loaded.values);
          const expected = flags[dotted] ?? env[dotted] ?? file[dotted];
          if (expected === undefined) expect(loaded.sourceOf(dotted)).toBeUndefined();
          else expect(found).toBe(expected);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('survive any JSON as a file: they load, or say what is wrong', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.json(),
        fc.constantFrom('', 'runner', 'apps', 'env_vars', 'process'),
        async (json, section) => {
          const text = section === '' ? json : `{"${section}": ${json}}`;
          await loadText(text).catch((error: unknown) => expect(error).toMatchObject({ name: 'ConfigError' }));
        },
      ),
      { numRuns: 200 },
    );
  });
});

function variableOf(dotted: string): string {
  return keys.find((key) => key.dotted === dotted)?.schema.env ?? '';
}

function nested(flat: Record<string, string>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [dotted, value] of Object.entries(flat)) {
    const path = dotted.split('.');
    let target = result;
    for (const part of path.slice(0, -1)) target = (target[part] ??= {}) as Record<string, unknown>;
    target[path.at(-1) ?? ''] = value;
  }
  return result;
}

/** A value that differs from the default, as the variable's text and as what is loaded. */
function sampleOf({ schema, dotted }: ConfigKey): { text: string; value: unknown } {
  if (schema.properties) return { text: '{"type":"k8s"}', value: { type: 'k8s' } };
  if (dotted === 'apps') return { text: '{"x":{"path":"p"}}', value: { x: { path: 'p' } } };
  if (schema.enum) {
    const other = schema.enum.find((word) => word !== schema.default) ?? '';
    return { text: other, value: other };
  }
  if (schema.pattern !== undefined) return { text: '20GB', value: '20GB' };
  if (dotted === 'web_host') return { text: 'http://sample', value: 'http://sample' };
  switch (schema.type) {
    case 'boolean':
      return { text: String(!schema.default), value: !schema.default };
    case 'integer':
    case 'number': {
      const value =
        dotted === 'runner.log.max_line_bytes'
          ? 2048
          : Math.max(schema.minimum ?? 0, 77_777 > (schema.maximum ?? 77_777) ? 7 : 77_777);
      return { text: ` ${value} `, value };
    }
    case 'array':
      return { text: '["a","b"]', value: ['a', 'b'] };
    case 'object':
      return { text: '{"A":"1"}', value: { A: '1' } };
    default:
      return { text: 'sample', value: 'sample' };
  }
}
