import { codeOf, messageOf, type RemoteErrorOptions } from '../lib/index.ts';
import { shownHost } from './shown-url.ts';

type Failure = Pick<RemoteErrorOptions, 'kind' | 'retryable' | 'hint'> & { text: string };

/**
 * What a failed TLS handshake means; undefined when the error is about something else. `clientCertificate`: there is one to show to
 * servers that ask for it.
 */
export function tlsFailure(error: unknown, url: URL, clientCertificate: boolean): Failure | undefined {
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
  const refused = refusedClient(error, server, clientCertificate);
  if (refused) return refused;
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    return { kind: 'tls', retryable: false, text: `the TLS handshake with ${server} failed: ${shortReason(error)}` };
  }
  return undefined;
}

/** What the server's alert says about our certificate; undefined when it says nothing about it. */
function refusedClient(error: unknown, server: string, clientCertificate: boolean): Failure | undefined {
  const facts = { kind: 'tls', retryable: false } as const;
  const alert = alertOf(error);
  const why = clientCertificate ? certificateAlerts[alert] : undefined;
  if (why !== undefined) {
    return {
      ...facts,
      text: `${server} does not accept the client certificate: ${why}`,
      hint: 'Renew or replace runner.connection.client_cert_file (it is read again when it changes), or let the server trust its authority.',
    };
  }
  if (alert === 'certificate required') {
    return {
      ...facts,
      text: `${server} asks for a client certificate${clientCertificate ? ' of another authority' : ''}`,
      hint: clientCertificate
        ? 'Replace runner.connection.client_cert_file by one of an authority that it names.'
        : giveOne,
    };
  }
  // TLS 1.2 has no alert of its own for a certificate that is missing.
  if (clientCertificate || alert !== 'handshake failure') return undefined;
  return { ...facts, text: `${server} refused the TLS handshake; it may ask for a client certificate`, hint: giveOne };
}

const giveOne =
  'Give a client certificate in runner.connection.client_cert_file, and its key in runner.connection.client_key_file.';

/** "handshake failure": from the code of the error, or from its text when it has only `EPROTO`. */
function alertOf(error: unknown): string {
  const [, fromCode] = /_ALERT_([A-Z_]+)$/.exec(codeOf(error) ?? '') ?? [];
  const [, fromText] = /\balert ([a-z ]+)/.exec(messageOf(error)) ?? [];
  return fromCode?.toLowerCase().replaceAll('_', ' ') ?? fromText?.trim() ?? '';
}

const certificateAlerts: Record<string, string | undefined> = {
  'unknown ca': 'it does not know the authority',
  'certificate expired': 'it has expired',
  'certificate revoked': 'it was revoked',
  'bad certificate': 'it is damaged or not valid',
  'unsupported certificate': 'it is not meant for clients',
  'certificate unknown': 'it is not acceptable',
  'access denied': 'access is denied',
};

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
    text: (server) => `the certificate of ${server}, or of its authority, is not valid yet`,
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
