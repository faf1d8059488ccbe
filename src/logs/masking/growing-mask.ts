import { createMasker } from './masker.ts';

/**
 * A mask for everything the runner says about itself (its log, error texts, labels of metrics) over a set of secrets that
 * may grow at any time.
 */
export function growingMask(secrets: ReadonlySet<string>, minLength: number): (text: string) => string {
  let masker = createMasker(secrets, minLength);
  let size = secrets.size;
  return (text) => {
    if (secrets.size !== size) {
      masker = createMasker(secrets, minLength);
      size = secrets.size;
    }
    return masker.mask(text);
  };
}
