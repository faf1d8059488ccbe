export { accessSettings, configParameters, type GitAccess, type UrlCredentials, type UrlRewrite } from './access.ts';
export { checkout } from './checkout.ts';
export { clone, type CloneRequest } from './clone.ts';
export { credentialText } from './credential-text.ts';
export { parseRemote, type Remote, type RemoteKind } from './remote.ts';
export type {
  CheckedOutCommit,
  CheckoutRequest,
  CheckoutResult,
  GitCredentials,
  GitHost,
  GitStep,
  Revision,
} from './types.ts';
