import { ApiError, type StatusCause } from '../api/status.ts';

/** What is wrong with one field, in the words of the API. */
export interface FieldError {
  field: string;
  reason: string;
  message: string;
}

/** As the API prints a value: text in quotes, numbers and booleans as they are. */
function printed(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value ?? null);
}

function detailed(text: string, detail: string): string {
  return detail === '' ? text : `${text}: ${detail}`;
}

export function required(field: string, detail = ''): FieldError {
  return { field, reason: 'FieldValueRequired', message: detailed('Required value', detail) };
}

export function invalid(field: string, value: unknown, detail = ''): FieldError {
  return { field, reason: 'FieldValueInvalid', message: detailed(`Invalid value: ${printed(value)}`, detail) };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueDuplicate', message: `Duplicate value: ${printed(value)}` };
}

export function missing(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueNotFound', message: `Not found: ${printed(value)}` };
}

export function unsupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.toSorted().map(printed).join(', ');
  return {
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${printed(value)}: supported values: ${list}`,
  };
}

export function notAllowed(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', message: `Forbidden: ${detail}` };
}

export function tooLong(field: string, bytes: number): FieldError {
  return { field, reason: 'FieldValueTooLong', message: `Too long: must have at most ${bytes} bytes` };
}

/** 422: `Pod "x" is invalid: [a: …, b: …]`. */
export function invalidObject(kind: string, name: string, errors: readonly FieldError[]): ApiError {
  const texts = errors.map(({ field, message }) => `${field}: ${message}`);
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const causes: StatusCause[] = errors.map(({ reason, message, field }) => ({ reason, message, field }));
  return new ApiError(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, { name, kind, causes });
}
