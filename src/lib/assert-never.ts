import { InternalError } from './errors.ts';

/** Makes a `switch` over a union exhaustive at compile time, and loud at run time if data slipped past the types. */
export function assertNever(value: never): never {
  throw new InternalError(`unexpected value: ${JSON.stringify(value)}`);
}
