import type * as z from 'zod';
import { choice, flag, int, model, nested, nullableInt, text } from './wire.ts';

const loginPasswordSchema = model({ login: text, password: text });
const sshKeySchema = model({ login: text, passphrase: text, privateKey: text });

/** A decrypted key, the value of one entry of `access_keys` (spec 4.7). Type "" is a key without content. */
export const accessKeySchema = model({
  id: int,
  name: text,
  type: choice(['', 'ssh', 'none', 'login_password', 'string'], ''),
  projectId: nullableInt,
  string: text,
  loginPassword: nested(loginPasswordSchema),
  ssh: nested(sshKeySchema),
  overrideSecret: flag,
});

export type AccessKey = z.output<typeof accessKeySchema>;
