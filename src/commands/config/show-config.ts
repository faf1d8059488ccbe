import { loadConfigAloud, print } from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';

/** `config show`. */
export async function showConfig(flags: GlobalFlags & { all?: boolean }): Promise<void> {
  const loaded = await loadConfigAloud(flags);
  const { describeConfig } = await import('../../config/index.ts');
  print(`Configuration file: ${loaded.file ?? 'none'}`);
  const rows = describeConfig(loaded).filter(({ source }) => flags.all === true || source !== undefined);
  const width = Math.max(0, ...rows.map(({ key }) => key.length));
  for (const { key, value, source } of rows) {
    const origin = source === undefined ? 'default' : source === loaded.file ? 'file' : source;
    print(`${key.padEnd(width)}  ${value}  (${origin})`);
  }
}
