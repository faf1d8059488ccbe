/** Words that YAML (1.1, as older composes read it) takes for something else than text. */
const notText = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;
/** Needs no quotes in a block of YAML, as a value or as an item: plain words in one line. */
const plain = /^[A-Za-z/](?:[A-Za-z0-9_./@%+=,-]|:(?=\S)| (?=[A-Za-z0-9_./@%+=,-]))*$/;

/** A text as a scalar of YAML: as it is where nobody can mistake it, else in double quotes with everything escaped. */
export function yamlText(text: string): string {
  if (plain.test(text) && !notText.test(text)) return text;
  // JSON is YAML, but for characters that YAML does not print, and halves of surrogate pairs, which stand for nothing.
  return JSON.stringify(text.replaceAll(/\p{Surrogate}/gu, '\uFFFD')).replaceAll(
    /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The same for a file of compose, which would put variables where there are `$`. */
export function composeText(text: string): string {
  return yamlText(text.replaceAll('$', '$$$$'));
}
