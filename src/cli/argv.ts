/**
 * Spellings of the original (its parser is another one) and of habit, in terms of ours: `--enabled=false`, `help runner`,
 * `version`, `-v`.
 */
export function normaliseArgv(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  if (first === 'help') return [...rest, '--help'];
  if (first === 'agent' && rest[0] === 'help') return ['agent', ...rest.slice(1), '--help'];
  if ((first === 'version' || first === '-v') && rest.length === 0) return ['--version'];
  const end = argv.indexOf('--');
  const options = end === -1 ? argv : argv.slice(0, end);
  return [...options.flatMap(booleanOption), ...argv.slice(options.length)];
}

/** `--name=true` and `--name=false`: only switches have such values, and no text option of ours could mean them. */
function booleanOption(option: string): string[] {
  const match = /^--([a-z-]+)=(true|false|t|f|1|0)$/i.exec(option);
  const [, name = '', value = ''] = match ?? [];
  if (!match || !switches.has(name)) return [option];
  if (/^(true|t|1)$/i.test(value)) return [`--${name}`];
  return name === 'enabled' ? ['--no-enabled'] : [];
}

const switches = new Set(['no-config', 'enabled', 'stdin-registration-token', 'register', 'auto-register']);
