/** How tools print a text. Each form is written here once more, independently of how the masker looks for it. */

type Form = (secret: string) => string;

const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
const hexPairs = (text: string): string[] => bytesOf(text).toString('hex').match(/../g) ?? [];
const eachChar = (text: string, write: (code: number) => string): string =>
  Array.from(text, (char) => write(char.codePointAt(0) ?? 0)).join('');
const units = (text: string, write: (unit: number) => string): string =>
  Array.from({ length: text.length }, (_, index) => write(text.charCodeAt(index))).join('');
const columns = (text: string, width: number, end = '\n'): string =>
  text.match(new RegExp(`[^]{1,${width}}`, 'gu'))?.join(end) ?? '';

function base64At(secret: string, offset: number): string {
  // With neighbours on both sides; only the characters that hold something of the secret.
  const bytes = Buffer.concat([
    Buffer.from('\u0001\u0002'.slice(0, offset)),
    bytesOf(secret),
    Buffer.from('\u0003\u0004'),
  ]);
  const first = Math.floor((offset * 8) / 6);
  const end = Math.ceil(((offset + bytesOf(secret).length) * 8) / 6);
  return bytes.toString('base64').slice(first, end);
}

const urlEncoded: Form = (secret) => encodeURIComponent(secret);

function xml(named: boolean): Form {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
  return (secret) =>
    secret.replaceAll(/[&<>"']/g, (char) => (named ? (names[char] ?? char) : `&#${char.charCodeAt(0)};`));
}

/** Forms of any text. */
export const forms: Readonly<Record<string, Form>> = {
  plain: (secret) => secret,
  'base64, first alignment': (secret) => bytesOf(secret).toString('base64'),
  'base64, second alignment': (secret) => base64At(secret, 1),
  'base64, third alignment': (secret) => base64At(secret, 2),
  base64url: (secret) => bytesOf(secret).toString('base64url'),
  'base64, URL-encoded': (secret) => encodeURIComponent(bytesOf(secret).toString('base64')),
  'URL-encoded': urlEncoded,
  'URL-encoded, small digits': (secret) => urlEncoded(secret).replaceAll(/%../g, (hex) => hex.toLowerCase()),
  'URL-encoded as a form': (secret) => urlEncoded(secret).replaceAll('%20', '+'),
  'URL-encoded, every byte': (secret) =>
    hexPairs(secret)
      .map((pair) => `%${pair}`)
      .join(''),
  'URL-encoded, every byte, capitals': (secret) =>
    hexPairs(secret)
      .map((pair) => `%${pair.toUpperCase()}`)
      .join(''),
  JSON: (secret) => JSON.stringify(secret).slice(1, -1),
  'JSON within JSON': (secret) => JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1),
  'JSON with escaped slashes': (secret) =>
    JSON.stringify(secret)
      .slice(1, -1)
      .replaceAll('/', String.raw`\/`),
  'JSON, every character': (secret) => units(secret, (unit) => `\\u${unit.toString(16).padStart(4, '0')}`),
  'shell, quote closed and escaped': (secret) => secret.replaceAll("'", String.raw`'\''`),
  'shell, quote in double quotes': (secret) => secret.replaceAll("'", `'"'"'`),
  'shell, backslashes': (secret) => secret.replaceAll(/[^A-Za-z0-9\u0080-\u{10FFFF}\n]/gu, String.raw`\$&`),
  "shell, $'…'": (secret) => secret.replaceAll(/['\\]/g, String.raw`\$&`).replaceAll('\n', String.raw`\n`),
  'shell, in octal': (secret) => [...bytesOf(secret)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
  'shell, in hexadecimal': (secret) =>
    hexPairs(secret)
      .map((pair) => `\\x${pair}`)
      .join(''),
  'YAML in single quotes': (secret) => secret.replaceAll("'", "''"),
  'XML, names': xml(true),
  'XML, numbers': xml(false),
  'XML, every character': (secret) => eachChar(secret, (code) => `&#${code};`),
  'XML, every character, hexadecimal': (secret) => eachChar(secret, (code) => `&#x${code.toString(16)};`),
  hex: (secret) => hexPairs(secret).join(''),
  'hex, capitals': (secret) => hexPairs(secret).join('').toUpperCase(),
  'with colours in between': (secret) => Array.from(secret).join('\u001B[1;31m\u001B[0m'),
  'with a link in between': (secret) => secret.replace(/^../su, '$&\u001B]8;;https://x.example/\u0007'),
};

/** Forms of texts that are long enough to be known when they are wrapped. */
export const wrappedForms: Readonly<Record<string, Form>> = {
  'broken over lines': (secret) => columns(secret, 3),
  'broken over lines with indentation': (secret) => columns(secret, 5, '\r\n    '),
  'broken over lines, one character each': (secret) => Array.from(secret).join('\n'),
  'broken over lines with colours': (secret) => columns(secret, 4, '\u001B[0m\n\u001B[2m  '),
  'broken over lines of JSON': (secret) => JSON.stringify(columns(secret, 4)).slice(1, -1),
  'base64 of 8 columns': (secret) => columns(bytesOf(secret).toString('base64'), 8),
  'base64 of 64 columns': (secret) => columns(bytesOf(secret).toString('base64'), 64),
  'base64 of 76 columns': (secret) => columns(bytesOf(secret).toString('base64'), 76, '\r\n'),
  'hex of 60 columns': (secret) => columns(bytesOf(secret).toString('hex'), 60),
};

/** Dumps, for secrets of 8 bytes and more. */
export const dumps: Readonly<Record<string, Form>> = {
  'hex, words': (secret) => columns(bytesOf(secret).toString('hex'), 4, ' '),
  'hex, bytes': (secret) => hexPairs(secret).join(' '),
  'hex, colons': (secret) => hexPairs(secret).join(':'),
  'hex, dashes and capitals': (secret) => hexPairs(secret).join('-').toUpperCase(),
};
