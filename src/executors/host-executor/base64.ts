/**
 * Decodes standard base64 with padding, line ends within it ignored, as the original does (spec CI 4.1). Undefined for anything else:
 * Node's own decoder takes what it can and is silent about the rest.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const encoded = text.replaceAll(/[\r\n]/g, '');
  if (encoded.length % 4 !== 0 || /[^A-Za-z0-9+/]/.test(encoded.replace(/={1,2}$/, ''))) return undefined;
  return Buffer.from(encoded, 'base64');
}
