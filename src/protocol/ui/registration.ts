import * as z from 'zod';
import { parseBody, readModel } from './body.ts';
import { int, model, optionalFlag, optionalInt, optionalList, optionalText, text } from './wire.ts';

/** The body of POST (spec 3.4): what a runner says of itself when it registers. */
const registrationSchema = model({
  /** The shared token, or a one-time token that starts with `smrs_`. */
  registrationToken: text,
  webhook: optionalText,
  name: optionalText,
  tags: optionalList(z.string()),
  maxParallelTasks: int,
  enabled: optionalFlag,
  /** A runner of this project; undefined for a global one. */
  projectId: optionalInt,
  /** PEM of the runner's RSA key, for servers 2.12 to 2.18 (spec 3.7). */
  publicKey: optionalText,
});

export type Registration = z.output<typeof registrationSchema>;

/** The JSON text of a registration. */
export function encodeRegistration(registration: Registration): string {
  return JSON.stringify(z.encode(registrationSchema, registration));
}

/** Reads the body of a registration. Throws UserError. */
export function decodeRegistration(body: string | Buffer): Registration {
  return readModel(registrationSchema, parseBody(body), 'body');
}
