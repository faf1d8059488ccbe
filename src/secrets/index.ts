export { openHandOvers, type CloseHandOver, type HandOver, type HandOverOptions } from './hand-over.ts';
export { SecretRegistry, type SecretRegistryOptions } from './registry.ts';
