import { anything, int, list, model, optionalText } from './wire.ts';

/** The answer to a registration (spec 3.4). */
export const registrationAnswerSchema = model({ token: optionalText });

/** The answer to a progress report (spec 3.6); 204 without a body means the same as `{}`. */
export const progressAnswerSchema = model({ terminatedJobs: list(int) });

/** A refusal: `{"error": …}`. */
export const refusalSchema = model({ error: anything });
