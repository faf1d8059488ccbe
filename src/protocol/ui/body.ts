import { UserError } from '../../lib/index.ts';
import type * as z from 'zod';
import { describeIssue } from './wire.ts';

/** Parses the body of a runner's request. Throws UserError; its text does not quote the body, which may hold secrets. */
export function parseBody(body: string | Buffer): unknown {
  try {
    return JSON.parse(typeof body === 'string' ? body : body.toString('utf8'));
  } catch {
    throw new UserError('Invalid format: not JSON');
  }
}

/** Reads `json` as the model. Throws UserError that names the place, not the value. */
export function readModel<Model extends z.ZodType<unknown, Record<string, unknown>>>(
  schema: Model,
  json: unknown,
  at: string,
): z.output<Model> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new UserError(`Invalid format: ${describeIssue(result.error, at)}`);
}
