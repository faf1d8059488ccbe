import type * as z from 'zod';
import { choice, int, model, nullableText, optionalList, optionalText, text } from './wire.ts';

/** A secret of a variable group, in plain text (spec 4.6). */
export const environmentSecretSchema = model({
  id: int,
  /** `var`: extra variable or argument; `env`: environment variable. */
  type: choice(['var', 'env'], 'var'),
  name: text,
  secret: text,
  operation: optionalText,
});

export type EnvironmentSecret = z.output<typeof environmentSecretSchema>;

/** The variable groups of a task, merged by the server (spec 4.6). */
export const environmentSchema = model({
  id: int,
  name: text,
  projectId: int,
  password: nullableText,
  /** JSON object text: extra variables. */
  json: text,
  /** JSON object text of strings: process environment. */
  env: nullableText,
  secrets: optionalList(environmentSecretSchema),
});

export type Environment = z.output<typeof environmentSchema>;
