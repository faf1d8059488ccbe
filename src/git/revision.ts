/** True for what git accepts as the name of a branch or tag (git-check-ref-format), and never for an option. */
export function isRefName(name: string): boolean {
  if (name === '' || name === '@' || name.startsWith('-') || name.length > 1024) return false;
  // oxlint-disable-next-line no-control-regex -- git forbids control characters in names, so they are what is looked for
  if (/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\.$|\/$|^\//.test(name)) return false;
  return name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'));
}

/** True for a hash, whole or shortened to no less than seven digits. */
export function isHash(name: string): boolean {
  return /^[0-9a-f]{7,64}$/i.test(name);
}

/** True for a whole SHA-1 or SHA-256 hash, which a server can be asked for. */
export function isWholeHash(name: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(name);
}
