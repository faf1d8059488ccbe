import { parseRemote } from './remote.ts';

/** Settings of git that are given with the environment: they are in no file and override every file. */
export type Settings = readonly (readonly [key: string, value: string])[];

/** What opens every http(s) URL that begins with `url`. Of several that fit a URL the longest counts, of equals the first. */
export interface UrlCredentials {
  /** Without user name and password. */
  url: string;
  /** Named pipe that gives user name and password in the form of git-credential. */
  pipe: string;
}

/** URLs that begin with `from` are asked for under `to` instead; of several that fit the longest counts. */
export interface UrlRewrite {
  from: string;
  to: string;
}

/** What git may use beside the credentials of one repository: the keys for other hosts and URLs (spec 5.5). */
export interface GitAccess {
  credentials: readonly UrlCredentials[];
  rewrites: readonly UrlRewrite[];
}

/**
 * Settings by which git finds these credentials. Git asks for them only when a server demands some, and then reads them from
 * their pipe: they are in no argument, environment or file. The origin (scheme, host and port) must be the same, so that
 * `https://git.example` opens nothing at `https://git.example.org`, as a rewrite of the URL would; the rest of the URL need only
 * begin the same, so that `https://git.example/team/app` also opens `app.git`.
 */
export function accessSettings({ credentials, rewrites }: GitAccess): Settings {
  const parts = credentials.map(({ url, pipe }) => ({ ...split(url), pipe }));
  return [
    ...rewrites.map(({ from, to }) => [`url.${to}.insteadOf`, from] as const),
    ...[...new Set(parts.map(({ origin }) => origin))].flatMap((origin) =>
      originSettings(
        origin,
        parts.filter((part) => part.origin === origin),
      ),
    ),
  ];
}

/** Value of `GIT_CONFIG_PARAMETERS`: `settings` after what is `given` already, whose values they override. */
export function configParameters(settings: Settings, given = ''): string {
  // Not GIT_CONFIG_COUNT, which git knows from 2.31 on only, and would silently ignore before.
  return [...(given === '' ? [] : [given]), ...settings.map(([key, value]) => singleQuote(`${key}=${value}`))].join(
    ' ',
  );
}

interface Part {
  origin: string;
  /** After the slash behind the origin, decoded, as git hands it to a helper. */
  path: string;
  /** Up to its last slash, as in the URL. */
  directory: string;
  pipe: string;
}

function split(url: string): Omit<Part, 'pipe'> {
  const origin = parseRemote(url).origin ?? url;
  const path = url.slice(origin.length).replace(/^\//, '');
  return { origin, path: decode(path), directory: path.slice(0, path.lastIndexOf('/') + 1) };
}

/**
 * One helper for all credentials of an origin, because git asks every helper that fits and takes the first answer. It is
 * set for the narrowest directories that hold what is mapped, and helpers of the machine are forgotten (the empty value)
 * there only.
 */
function originSettings(origin: string, parts: readonly Part[]): Settings {
  const helper = helperScript(parts.toSorted((a, b) => b.path.length - a.path.length));
  const directories = [...new Set(parts.map(({ directory }) => directory))].toSorted((a, b) => a.length - b.length);
  return directories.flatMap((directory) => {
    const section = `credential.${origin}${directory === '' ? '' : `/${directory.slice(0, -1)}`}`;
    return [
      [`${section}.helper`, ''],
      [`${section}.helper`, helper],
      [`${section}.useHttpPath`, 'true'],
    ] as const;
  });
}

/** How often a pipe is read again: one of two readers that come at the same time gets nothing. */
const readings = 5;

/** A helper as git-config(1) describes it (`credential.helper`): a function whose first argument is what to do. */
function helperScript(parts: readonly Part[]): string {
  const choices = parts.map(({ path, pipe }) => `${singleQuote(path)}*) from=${singleQuote(pipe)};;`);
  const rounds = Array.from({ length: readings }, (_value, index) => index + 1).join(' ');
  return [
    '!f() { test "$1" = get || return 0; path=; from=; said=; ',
    'while IFS= read -r line; do case "$line" in path=*) path=${line#path=};; "") break;; esac; done; ',
    `case "$path" in ${choices.join(' ')} esac; test -n "$from" || return 0; `,
    `for round in ${rounds}; do said=$(cat "$from") || return 0; test -z "$said" || break; done; `,
    // printf is part of the shell, so that this is no argument of a process either.
    String.raw`printf '%s\n' "$said"; }; f`,
  ].join('');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function singleQuote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
