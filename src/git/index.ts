export { checkout } from './checkout.ts';
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
