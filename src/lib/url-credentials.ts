/**
 * `scheme://user:password@host`. A password that was not encoded may hold `/` and `@`, so the last `@` before a query counts;
 * a number after the colon is a port.
 */
const withPassword =
  /(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/?#"'<>@:]*:)(?!\d{1,5}(?:[/?#\s]|$))([^\s"'<>?#]*)@(?=[\w[])/gi;

/** `https://token@host`: on the web, a lone user name is how tokens are written. */
const lone = /(\bhttps?:\/\/)([^\s"'<>/?#@:]+)@(?=[\w[])/gi;

/**
 * Passwords and tokens in all URLs of a text, as they are written there and as they are meant. Where several `@` leave a
 * choice, there is one for each.
 */
export function urlCredentials(text: string): string[] {
  const found = [withPassword, lone].flatMap((pattern) =>
    Array.from(text.matchAll(pattern), ([, , secret]) => beginnings(secret ?? '')).flat(),
  );
  return [...new Set(found.flatMap((secret) => [secret, decoded(secret)]))].filter((secret) => secret !== '');
}

/** Up to each `@`, and all of it. */
function beginnings(text: string): string[] {
  return [...Array.from(text.matchAll(/@/g), ({ index }) => text.slice(0, index)), text];
}

/** The text with `***` instead of the passwords and tokens in its URLs. */
export function withoutUrlCredentials(text: string): string {
  if (!text.includes('://') || !text.includes('@')) return text;
  return text.replace(withPassword, '$1***@').replace(lone, '$1***@');
}

/** A lone percent sign stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
