/** One request, already decided: no retry, no redirect is followed, no policy lives below this line. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string | Buffer;
  /** For the whole exchange, milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** A longer answer is refused as malformed. */
  maxResponseBytes: number;
}

/** Any answer at all, whatever its status. */
export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** The way to a server. Throws RemoteError (network, tls, proxy, timeout, malformed) when no complete answer came. */
export interface HttpTransport {
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections. */
  close(): void;
}

export interface TransportOptions {
  /** PEM bundle used in addition to the system's authorities. */
  caFile?: string | undefined;
  /** Where `caFile` was configured, for error texts. @default 'runner.connection.server_ca_cert_file' */
  caFileKey?: string | undefined;
  skipTlsVerify?: boolean | undefined;
  /** Shown to servers that ask for one (mTLS). */
  clientCertificate?: ClientCertificateOptions | undefined;
  /** Told, in a sentence, when a certificate file has changed and cannot be used; the one read before stays in use. */
  onWarning?: ((text: string) => void) | undefined;
  /** Where `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` (either case) are read from. */
  env: Readonly<Record<string, string | undefined>>;
}

/** Files of PEM texts; all are read again when they change. */
export interface ClientCertificateOptions {
  certFile: string;
  /** @default the key is in `certFile` too */
  keyFile?: string | undefined;
  /** Of an encrypted key. */
  passphrase?: string | undefined;
  passphraseFile?: string | undefined;
}
