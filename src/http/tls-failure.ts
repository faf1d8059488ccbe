import { codeOf, messageOf, type RemoteErrorOptions } from '../lib/index.ts';
import { shownHost } from './shown-url.ts';

type Failure = Pick<RemoteErrorOptions, 'kind' | 'retryable' | 'hint'> & { text: string };

/** What a failed TLS handshake means; undefined when the error is about something else. */
export function tlsFailure(error: unknown, url: URL): Failure | undefined {
  const code = codeOf(error) ?? '';
  const server = shownHost(url);
  const known = certificateProblems[code];
  if (known)
    return { kind: 'tls', retryable: known.retryable ?? false, text: known.text(server, error), hint: known.hint };
  if (url.protocol !== 'https:') return undefined;
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(code) ||
    /wrong version number|packet length too long/.test(messageOf(error))
  ) {
    return {
      kind: 'tls',
      retryable: false,
      text: `${server} does not speak TLS`,
      hint: 'If it speaks plain HTTP on this port, the URL must begin with http://.',
    };
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    return { kind: 'tls', retryable: false, text: `the TLS handshake with ${server} failed: ${shortReason(error)}` };
  }
  return undefined;
}

interface Known {
  text: (server: string, error: unknown) => string;
  hint: string;
  retryable?: boolean;
}

const unknownAuthority: Known = {
  text: (server) => `the certificate of ${server} was signed by an authority that is not known here`,
  hint: 'Give the authority’s certificate in runner.connection.server_ca_cert_file, or install it on this system.',
};

const certificateProblems: Record<string, Known | undefined> = {
  CERT_HAS_EXPIRED: {
    text: (server) => `the certificate of ${server}, or of its authority, has expired`,
    hint: 'Renew it; check the clock of this machine too.',
  },
  CERT_NOT_YET_VALID: {
    text: (server) => `the certificate of ${server} is not valid yet`,
    hint: 'Check the clock of this machine.',
    retryable: true,
  },
  CERT_REVOKED: { text: (server) => `the certificate of ${server} was revoked`, hint: 'Renew it.' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    text: (server, error) => `the certificate of ${server} is for another name${namesOf(error)}`,
    hint: 'Use the name in the certificate in the URL, or renew the certificate with this name.',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    text: (server) => `the certificate of ${server} is self-signed`,
    hint: 'Give the certificate itself in runner.connection.server_ca_cert_file.',
  },
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    text: unknownAuthority.text,
    hint: `${unknownAuthority.hint} If the authority is a public one, the server does not send its intermediate certificate.`,
  },
};

/** ": a.example.com, b.example.com", the names that the certificate has. */
function namesOf(error: unknown): string {
  if (error instanceof Error && !('cert' in error)) return namesOf(error.cause);
  if (typeof error !== 'object' || error === null || !('cert' in error)) return '';
  const { cert } = error;
  if (typeof cert !== 'object' || cert === null || !('subjectaltname' in cert)) return '';
  const names = String(cert.subjectaltname).replaceAll(/(DNS|IP Address):/g, '');
  return `: ${names.length > 120 ? `${names.slice(0, 120)}…` : names}`;
}

/** OpenSSL's texts are "…:error:0A000410:SSL routines:…:sslv3 alert handshake failure:…"; the fourth part says it. */
function shortReason(error: unknown): string {
  const text = messageOf(error).trim();
  const parts = text.split(':');
  return (parts.length > 5 ? parts.slice(5, 6).join('') : text).trim();
}
