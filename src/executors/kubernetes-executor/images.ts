import { imagePattern } from '../../config/index.ts';
import { UserError } from '../../lib/index.ts';

const host = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?`;
const part = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`;
const imageName = new RegExp(
  String.raw`^(?:${host}/)?${part}(?:/${part})*(?::\w[\w.-]{0,127})?(?:@[A-Za-z][\w.+-]*:[0-9a-fA-F]{32,})?$`,
);

/** Throws UserError for what cannot be the name of an image, and for one that the agent's owner does not allow (spec CI 6.3). */
export function checkImage(image: string, allowed: readonly string[]): void {
  if (image.length > 1024 || !imageName.test(image))
    throw new UserError(`image '${image}' is not a valid name of an image`);
  if (allowed.length === 0 || allowed.some((pattern) => imagePattern(pattern).test(image))) return;
  throw new UserError(`image '${image}' is not allowed`);
}
