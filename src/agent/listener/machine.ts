import { readFileSync } from 'node:fs';
import { endianness, release } from 'node:os';
import { captureProcess } from '../../execution/index.ts';
import { codeOf } from '../../lib/index.ts';

/** The operating system as agents describe it (spec CI 2.2): "Debian GNU/Linux 12 (bookworm)"; "" when it cannot be told. */
export async function describeOs(path = process.env['PATH'] ?? '', platform = process.platform): Promise<string> {
  switch (platform) {
    case 'linux':
      return linuxName(['/etc/os-release', '/etc/lsb-release'].map(readIfThere).join('\n'));
    case 'darwin':
      return await macName(path);
    case 'win32':
      return windowsName(release());
    default:
      return '';
  }
}

/** The architecture as agents name it: `x86_64`, `x86`, else Go's word for it. */
export function describeArch(arch: string = process.arch, order = endianness()): string {
  const little = order === 'LE' ? 'le' : '';
  const names: Readonly<Record<string, string>> = {
    x64: 'x86_64',
    ia32: 'x86',
    ppc64: `ppc64${little}`,
    mips: `mips${little}`,
    mipsel: 'mipsle',
  };
  return names[arch] ?? arch;
}

/** `PRETTY_NAME`, else `NAME`, of the files that there are: Debian has no `/etc/lsb-release`, and has a name all the same. */
export function linuxName(text: string): string {
  const valueOf = (key: string): string | undefined =>
    new RegExp(`^${key}=(.*)$`, 'm')
      .exec(text)?.[1]
      ?.trim()
      .replace(/^"(.*)"$/, '$1');
  return valueOf('PRETTY_NAME') ?? valueOf('NAME') ?? '';
}

export function windowsName(version: string): string {
  const [major = '', minor = '', build = ''] = version.split('.');
  return `Windows ${major}.${minor} - Build ${build}`;
}

async function macName(path: string): Promise<string> {
  const parts = await Promise.all(
    ['-productName', '-productVersion', '-buildVersion'].map(async (flag) => {
      const { stdout } = await captureProcess(
        { command: 'sw_vers', args: [flag], cwd: '/', env: { PATH: path }, stop: { signal: 'SIGTERM', graceMs: 0 } },
        { tag: 'describe-os', signal: AbortSignal.timeout(5000) },
      );
      return stdout.trim();
    }),
  );
  return parts.filter((part) => part !== '').join(' ');
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EACCES') return '';
    throw error;
  }
}
