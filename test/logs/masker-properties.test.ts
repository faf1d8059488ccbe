import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMasker } from '../../src/logs/index.ts';
import { dumps, forms, wrappedForms } from '../support/secret-forms.ts';

/** A run of a property takes longer where other tests run beside it. */
const timeout = 120_000;

interface Span {
  start: number;
  end: number;
}

/** The union of all occurrences of the texts, by looking at every position. */
function occurrences(text: string, secrets: readonly string[]): Span[] {
  const covered = new Uint8Array(text.length);
  for (const secret of secrets) {
    for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + 1))
      covered.fill(1, at, at + secret.length);
  }
  const spans: Span[] = [];
  covered.forEach((flag, at) => {
    if (flag === 0) return;
    const last = spans.at(-1);
    if (last?.end === at) last.end += 1;
    else spans.push({ start: at, end: at + 1 });
  });
  return spans;
}

function masked(text: string, spans: readonly Span[]): string {
  let result = '';
  let position = 0;
  for (const { start, end } of spans) {
    result += `${text.slice(position, start)}***`;
    position = end;
  }
  return result + text.slice(position);
}

const characters = fc.constantFrom(
  ...Array.from(`abzABZ019 _-+/=.,:;!?#$%&'"\\\`~^*|<>(){}[]@`),
  'ä',
  'п',
  '€',
  '漢',
  '😀',
  '***',
  'n',
  'u0041',
  '%41',
);
/** No blanks at its ends: those are no part of a secret. Some letters, so that it is not a ruler. */
const secretText = fc
  .tuple(fc.array(characters, { minLength: 3, maxLength: 20 }), fc.stringMatching(/^[a-z]{4,6}[0-9]{2}$/))
  .chain(([parts, core]) => fc.nat(parts.length).map((at) => parts.toSpliced(at, 0, core).join('').trim()));

const anyForm = fc.constantFrom(...Object.entries({ ...forms, ...wrappedForms, ...dumps }));

describe('createMasker, for any text', () => {
  it(
    'masks precisely a secret in any form, whatever it consists of',
    () => {
      fc.assert(
        fc.property(secretText, anyForm, ([...secret], [name, form]) => {
          const given = secret.join('');
          const text = `·· ${form(given)} ··`;
          expect([name, text, createMasker([given], 4).mask(text)]).toEqual([name, text, '·· *** ··']);
        }),
        { numRuns: 2000 },
      );
    },
    timeout,
  );

  it(
    'masks the union of all occurrences of overlapping secrets, and nothing else',
    () => {
      const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'B', '7', '/'), minLength: 4, maxLength: 9 });
      const few = fc.array(letters, { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(few, fc.array(fc.oneof(letters, fc.nat(5)), { maxLength: 40 }), (given, pieces) => {
          const secrets = given.filter((secret) => !/^\/+$/.test(secret));
          const text = pieces.map((piece) => (typeof piece === 'string' ? piece : (secrets[piece] ?? '-'))).join('');
          expect(createMasker(secrets, 4).mask(text)).toBe(masked(text, occurrences(text, secrets)));
        }),
        { numRuns: 1500 },
      );
    },
    timeout,
  );

  it(
    'leaves no occurrence visible in any surroundings, and changes nothing in front of or behind all of them',
    () => {
      const noise = fc.string({ unit: characters, maxLength: 12 });
      fc.assert(
        fc.property(
          fc.array(secretText, { minLength: 1, maxLength: 5 }),
          fc.array(fc.tuple(noise, anyForm, fc.nat(4))),
          (given, pieces) => {
            const parts = pieces.map(
              ([before, [, form], index]) => [before, form(given[index % given.length] ?? '')] as const,
            );
            const text = parts.flat().join('');
            const spans = createMasker(given, 4).find(Buffer.from(text));
            let at = 0;
            for (const [before, shown] of parts) {
              const start = at + Buffer.byteLength(before);
              at = start + Buffer.byteLength(shown);
              expect(spans.some((span) => span.start <= start && at <= span.end)).toBe(true);
            }
            expect(spans.every(({ start, end }, index) => start < end && start > (spans[index - 1]?.end ?? -1))).toBe(
              true,
            );
          },
        ),
        { numRuns: 1500 },
      );
    },
    timeout,
  );

  it(
    'does not change a text without secrets',
    () => {
      const text = fc.string({
        unit: fc.oneof(characters, fc.constantFrom('\n', '\r\n', '\u001B[0m', '\u001B', '\uD800')),
        maxLength: 400,
      });
      const secrets = fc.array(fc.stringMatching(/^[QXYZ]{6,20}$/), { maxLength: 5 });
      fc.assert(
        fc.property(text, secrets, (value, given) => {
          expect(createMasker(given, 4).mask(value)).toBe(value);
        }),
        { numRuns: 1500 },
      );
    },
    timeout,
  );
});
