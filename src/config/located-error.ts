import { ConfigError, type ConfigErrorOptions } from '../lib/index.ts';

/** `file:line:column`, as far as known. */
export function locationText(place: {
  source?: string | undefined;
  line?: number | undefined;
  column?: number | undefined;
}): string {
  if (place.source === undefined) return '';
  return place.line === undefined ? place.source : `${place.source}:${place.line}:${place.column ?? 1}`;
}

/** A ConfigError whose message begins with the place, so that it is complete wherever it is printed. */
export function locatedError(message: string, options: ConfigErrorOptions): ConfigError {
  const place = locationText(options);
  return new ConfigError(place === '' ? message : `${place}: ${message}`, options);
}
