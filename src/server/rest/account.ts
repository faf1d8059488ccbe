import { json, type Router, text } from '../../http/index.ts';
import { userOf } from '../access.ts';
import type { RestParts } from './parts.ts';

/** Whether the server is there, what it is, and who asks. */
export function addAccount(router: Router, parts: RestParts): void {
  router.route('GET', '/api/ping', () => text('pong'), { guard: null });
  router.route('GET', '/api/info', () => json({ version: parts.version, updateBody: '', update: null }));
  router.route('GET', '/api/user', (context) => {
    const name = userOf(parts.access(), context)?.name ?? '';
    return json({
      id: idOf(name, parts),
      created: null,
      username: name,
      name,
      email: '',
      alert: false,
      admin: true,
      external: false,
    });
  });
  router.route('GET', '/api/user/tokens', (context) => {
    const user = userOf(parts.access(), context);
    // The original names a token by its text, which nobody needs to see again.
    return json(
      user ? [{ id: user.tokenHash.slice(0, 16), created: null, expired: false, user_id: idOf(user.name, parts) }] : [],
    );
  });
}

function idOf(name: string, { access }: RestParts): number {
  return access().users.findIndex((user) => user.name === name) + 1;
}
