export { openHandOvers, type CloseHandOver, type HandOver, type HandOverOptions } from './hand-over.ts';
export { SecretRegistry, type SecretRegistryOptions } from './registry.ts';
export { ensureStorable, forgetToken, foundTokenHome, storeToken, tokenHome, type TokenHome } from './token-store.ts';
