import { describe, expect, it } from 'vitest';
import { commands } from '../../src/commands/index.ts';
import { parseFlags } from '../../src/commands/agent/parse-flags.ts';
import { agentKeyTable, serveKeyTable, type AgentOption } from '../../src/config/index.ts';
import { UserError } from '../../src/lib/index.ts';

const definitions = {
  text: { type: 'option', aliases: ['txt'] },
  switch: { type: 'boolean' },
} as const;

const parse = (...argv: string[]) => {
  const { flags, words } = parseFlags(argv, 'agent:start', definitions);
  return { flags: Object.fromEntries(flags), words };
};

describe('flags of the agent', () => {
  it.each<[string[], object]>([
    [['--text', 'a'], { flags: { text: ['a'] }, words: [] }],
    [['--text=a=b'], { flags: { text: ['a=b'] }, words: [] }],
    [['--text='], { flags: { text: [''] }, words: [] }],
    [['--text', '--switch'], { flags: { text: ['--switch'] }, words: [] }],
    [['--txt', 'a', '--text', 'b'], { flags: { text: ['a', 'b'] }, words: [] }],
    [['--switch', 'false'], { flags: { switch: ['true'] }, words: ['false'] }],
    [['--switch=false'], { flags: { switch: ['false'] }, words: [] }],
    [['a', '--switch', 'b', '-'], { flags: { switch: ['true'] }, words: ['a', 'b', '-'] }],
    [['--', '--switch'], { flags: {}, words: ['--switch'] }],
    [['--text', 'a\nb'], { flags: { text: ['a\nb'] }, words: [] }],
  ])('%j', (argv, expected) => {
    expect(parse(...argv)).toEqual(expected);
  });

  it.each([
    [['--bogus'], 'unknown flag: --bogus'],
    [['--bogus=secret'], 'unknown flag: --bogus'],
    [['--tex', 'a'], 'unknown flag: --tex'],
    [['-t'], 'unknown flag: -t'],
    [['--text'], 'flag needs an argument: --text'],
  ])('are refused: %j', (argv, message) => {
    expect(() => parse(...argv)).toThrow(new UserError(message, { hint: 'See: semaphore agent start --help' }));
  });
});

describe('the flags of', () => {
  const kinds: Record<AgentOption['kind'], object> = {
    switch: { type: 'boolean' },
    number: { type: 'option' },
    text: { type: 'option' },
    list: { type: 'option', multiple: true },
  };
  const flagsOf = (id: string) => {
    const flags = commands[id]?.flags ?? {};
    return Object.fromEntries(Object.entries(flags).filter(([name]) => name !== 'config-file'));
  };

  it.each([
    ['agent:start', agentKeyTable().options],
    ['agent:serve', serveKeyTable()],
  ])('%s are the options of its schema', (id, options) => {
    const flags = flagsOf(id);
    expect(Object.keys(flags)).toEqual(expect.arrayContaining(options.map(({ name }) => name)));
    expect(Object.keys(flags)).toHaveLength(options.length);
    for (const { name, kind } of options) expect(flags[name], name).toMatchObject(kinds[kind]);
  });

  it('agent start: --config is --config-file', () => {
    expect(commands['agent:start']?.flags['config-file']).toMatchObject({ aliases: ['config'] });
  });
});
