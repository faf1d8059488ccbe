/** Version that follows: the last number in it plus one, its leading zeros kept; without a number, "-1" is added. */
export function nextVersion(version: string): string {
  const match = /^(.*?)(\d+)(\D*)$/s.exec(version);
  const [, before = '', digits = '', after = ''] = match ?? [];
  if (!match) return `${version}-1`;
  return `${before}${String(BigInt(digits) + 1n).padStart(digits.length, '0')}${after}`;
}
