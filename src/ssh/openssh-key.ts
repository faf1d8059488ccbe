import type { AgentKey } from './key.ts';
import { wireNumber, wireString } from './wire.ts';

const lineLength = 70;

/**
 * A private key as `ssh-add -` reads it: OpenSSH's own form, not encrypted (PROTOCOL.key). What an agent is given of a key is what
 * stands in that form, too.
 */
export function opensshKeyText({ comment, privateBlob, publicBlob }: AgentKey): string {
  // Equal numbers tell that it was decrypted well; there is nothing to decrypt.
  const numbers = Buffer.concat([wireNumber(0), wireNumber(0)]);
  const secret = Buffer.concat([numbers, privateBlob, wireString(comment)]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_value, index) => index + 1));
  const bytes = Buffer.concat([
    Buffer.from('openssh-key-v1\0', 'latin1'),
    wireString('none'),
    wireString('none'),
    wireString(''),
    wireNumber(1),
    wireString(publicBlob),
    wireString(Buffer.concat([secret, padding])),
  ]);
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}
