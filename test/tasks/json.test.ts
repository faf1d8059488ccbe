import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactJson, JsonNumber, parseJson } from '../../src/tasks/json.ts';

describe('numbers', () => {
  it.each([
    ['12345678901234567890', '12345678901234567890'],
    ['1.10', '1.10'],
    ['-0', '-0'],
    ['1e6', '1000000'],
    ['1.5e+3', '1500'],
    ['-2.50E2', '-250'],
    ['1e-3', '0.001'],
    ['12.5e-4', '0.00125'],
    ['0e5', '0'],
    ['0.00e0', '0'],
    ['1e999', '1e999'],
  ])('%s is %s', (text, plain) => {
    expect(compactJson(parseJson(text))).toBe(plain);
    expect(String(new JsonNumber(text))).toBe(plain);
  });

  it('keep their value', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(String(new JsonNumber(value.toExponential()))) === value).toBe(true);
      }),
    );
  });
});

describe('parseJson and compactJson', () => {
  it('are each other’s inverse for everything that JSON can say', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(compactJson(parseJson(JSON.stringify(value, null, 2))))).toEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
    );
  });

  it.each(['{', '[1,]', "{'a':1}", '01', '"\t"', 'nul', ''])('refuse %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it('keep names that look like ours or like JavaScript’s', () => {
    const text = '{"s":"n","n1":{"__proto__":"x","constructor":1},"":[]}';
    expect(compactJson(parseJson(text))).toBe(text);
  });
});
