import { describe, expect, it } from 'vitest';
import { createMasker } from '../../src/logs/index.ts';

/** How much work the worst of texts are, in steps and not in time, so that a slow machine does not matter. */

const size = 50_000;
const fill = (text: string) => Buffer.from(text.repeat(Math.ceil(size / text.length)).slice(0, size));
const token = 'kJ8sPq2LmX0vTz5RbN1wYc7DfG4hAe9U';

function stepsPerByte(secrets: readonly string[], text: Buffer): number {
  const masker = createMasker(secrets, 4);
  masker.find(text);
  const found = masker.steps;
  masker.unfinished(text.subarray(-masker.reach));
  expect(masker.steps - found).toBeLessThan(60_000);
  return found / text.length;
}

describe('the work of a masker', () => {
  it.each([
    ['ordinary lines', [token], 'ok: [web1] => {"changed": false, "path": "C:\\\\temp"}\n', 0.5],
    ['all of a secret but its end', [token], token.slice(0, -1), 8],
    ['all of a secret but its beginning', [token], token.slice(1), 8],
    ['nothing but a secret', [token], token, 8],
    ['many secrets with the same beginning', Array.from({ length: 250 }, (_, n) => `${token}-${n}`), `${token}-`, 8],
    ['a run of one character', ['aaaa'], 'a', 16],
    ['a run of one character, for a long secret of it', ['a'.repeat(4096)], 'a', 160],
    ['a run of one character, for a secret that ends otherwise', [`${'a'.repeat(500)}b`], 'a', 1],
    ['a pattern, for a long secret of it', ['abc1'.repeat(1000)], 'abc1', 160],
    ['backslashes', [String.raw`\\\\\\\\n`, '\\\\\\\\"'], '\\', 60],
    ['line ends of JSON', [token, 'abcd'], String.raw`\n`, 1],
    ['percent signs', ['%%%%%%%a', token], '%', 60],
    ['encoded characters', [token], '%6b%4A%38', 16],
    ['entities', [token], '&amp;&#107;', 16],
    ['escape characters', [token], '\u001B]', 1],
    ['colours without end', [token], '\u001B[3', 1],
    ['white space in a secret', [`${token} ${token}`], `${token.slice(-6)}${' '.repeat(50)}`, 30],
    ['one character a line', [token], `${Array.from(token.slice(0, -1)).join('\n')}\n`, 30],
  ])('stays in bounds with %s', (_name, secrets, text, most) => {
    expect(stepsPerByte(secrets, fill(text))).toBeLessThan(most);
  });

  it('grows with the length of a text and not faster', () => {
    const steps = (count: number) => {
      const masker = createMasker([token, 'aaaa', `${'ab'.repeat(40)}c`], 4);
      masker.find(Buffer.from(`${'ab'.repeat(39)}${token.slice(2)}aaa\\n%41`.repeat(count)));
      return masker.steps;
    };
    expect(steps(4000) / steps(1000)).toBeLessThan(4.2);
  });

  it('takes as many steps for 2000 secrets as for one, where none is near', () => {
    const text = fill('TASK [deploy : copy configuration] ******\nchanged: [web1.example.com]\n');
    const many = Array.from({ length: 2000 }, (_, n) => `${token.slice(n % 20)}${n.toString(36)}QZ`);
    expect(stepsPerByte(many, text)).toBeLessThan(0.5);
  });
});
