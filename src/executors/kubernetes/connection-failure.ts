import { codeOf, messageOf, RemoteError, type RemoteErrorOptions, UserError } from '../../lib/index.ts';
import type { KubernetesConnection } from './connection.ts';

interface FailedRequest {
  method: string;
  path: string;
  /** Set when the time was over. */
  timeoutMs?: number;
}

type Failure = Pick<RemoteErrorOptions, 'kind' | 'retryable' | 'hint'> & { text: string };

/** What it means that there was no complete answer: which server, known from where, and what can be done. */
export function connectionFailure(
  error: unknown,
  { server, source }: Pick<KubernetesConnection, 'server' | 'source'>,
  { method, path, timeoutMs }: FailedRequest,
): Error {
  if (error instanceof RemoteError || error instanceof UserError) return error;
  const { text, ...facts } = describe(error, { server, source, timeoutMs });
  return new RemoteError(text, { ...facts, endpoint: `${method} ${server}${path}`, cause: error });
}

function describe(
  error: unknown,
  { server, source, timeoutMs }: { server: string; source: string; timeoutMs: number | undefined },
): Failure {
  const cannot = `cannot connect to the Kubernetes API server ${server}`;
  const from = `The server is named by ${source}.`;
  if (timeoutMs !== undefined) {
    return {
      kind: 'timeout',
      retryable: true,
      text: `the Kubernetes API server ${server} did not answer within ${timeoutMs / 1000} s`,
      hint: from,
    };
  }
  const code = codeOf(error) ?? '';
  const certificate = certificateProblems[code];
  if (certificate !== undefined) {
    return {
      kind: 'tls',
      retryable: false,
      text: `the certificate of the Kubernetes API server ${server} ${certificate}`,
      hint: `Check certificate-authority of the cluster in ${source}.`,
    };
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    return {
      kind: 'tls',
      retryable: false,
      text: `the TLS handshake with the Kubernetes API server ${server} failed: ${messageOf(error)}`,
      hint: `Check the server's port and the client certificate in ${source}.`,
    };
  }
  const network = { kind: 'network', retryable: true } as const;
  const known = networkProblems[code];
  if (known !== undefined) return { ...network, text: `${cannot}: ${known}`, hint: `Is it running? ${from}` };
  if (lostCodes.has(code) || messageOf(error) === 'aborted') {
    return {
      ...network,
      text: `the Kubernetes API server ${server} closed the connection before its answer was complete`,
    };
  }
  return { ...network, text: `${cannot}: ${messageOf(error)}`, hint: from };
}

const lostCodes = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'HPE_INVALID_EOF_STATE',
]);

const networkProblems: Record<string, string | undefined> = {
  ECONNREFUSED: 'the connection was refused',
  ENOTFOUND: 'there is no such host name',
  EAI_AGAIN: 'its name cannot be resolved at the moment',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ETIMEDOUT: 'nobody answers there',
};

const unknownAuthority = 'was signed by an authority that is not known here';

const certificateProblems: Record<string, string | undefined> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet: is the clock of this machine right?',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
};
