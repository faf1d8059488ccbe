import type * as z from 'zod';
import { int, model, text } from './wire.ts';

/** A git repository (spec 4.5). */
export const repositorySchema = model({
  id: int,
  name: text,
  projectId: int,
  gitUrl: text,
  gitBranch: text,
  sshKeyId: int,
});

export type Repository = z.output<typeof repositorySchema>;

/** `local` is used in place; `https` also stands for plain http; any other scheme is its own type (`git`, `file`, …). */
export type RepositoryType = 'local' | 'ssh' | 'https' | (string & {});

/** The type of a repository, which is never transported but derived from its URL (spec 4.5). */
export function repositoryType(gitUrl: string): RepositoryType {
  if (gitUrl.startsWith('/') || /^[a-z]:[\\/]/i.test(gitUrl) || gitUrl.startsWith('\\\\')) return 'local';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(gitUrl)?.[1]?.toLowerCase();
  if (scheme === undefined) return 'ssh';
  return scheme === 'http' ? 'https' : scheme;
}

/** The URL as it may be shown: everything between `://` and the last `@` of the authority is left out (spec 4.5). */
export function redactUrl(url: string): string {
  const start = url.indexOf('://');
  if (start === -1) return url;
  const from = start + 3;
  // A password typed without percent-encoding may itself hold "/" or "@", so the last "@" counts, wherever it stands.
  const at = url.lastIndexOf('@');
  return at < from ? url : url.slice(0, from) + url.slice(at + 1);
}
