import type { Spelling } from './spelling.ts';

/** Ways to write a character that differ from tool to tool: shells that end and begin a quote around it, and doubling. */
const quotings = new Map<number, readonly Buffer[]>(
  Object.entries({
    "'": [`'\\''`, `'"'"'`, `''`],
    '"': [`"'"'"`, `""`, `'"'`],
    '%': ['%%'],
    $: ['$$'],
  }).map(([char, forms]) => [char.charCodeAt(0), forms.map((form) => Buffer.from(form, 'latin1'))]),
);

/** The ways to write a unit in quotes, beside itself. */
export function quotingsOf(spelling: Spelling, unit: number): readonly Buffer[] {
  return (spelling.kind === 'text' && quotings.get(spelling.units[unit] ?? 0)) || [];
}
