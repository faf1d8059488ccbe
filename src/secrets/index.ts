export { openHandOvers, type CloseHandOver, type HandOver, type HandOverOptions } from './hand-over.ts';
export { SecretRegistry, type SecretRegistryOptions } from './registry.ts';
export { openTokenSource, type TokenSource, type TokenSourceOptions } from './token-source.ts';
export {
  ensureStorable,
  forgetToken,
  foundTokenHome,
  placeOf,
  storeToken,
  tokenHome,
  withKeychainToken,
  type TokenHome,
} from './token-store.ts';
