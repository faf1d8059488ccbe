import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export const region = 'eu-west-1';
export const account = '123456789012';

/** What a request to the API was made with. */
export interface AwsCall {
  action: string;
  keyId: string | undefined;
  sessionToken: string | undefined;
  body: string;
}

export interface StandInAws {
  /** What the real AWS CLI needs to come here. */
  env: Record<string, string>;
  calls: AwsCall[];
  close: () => Promise<void>;
}

/**
 * Stands in for the API of AWS, as far as a login to ECR needs it: an HTTPS server behind a proxy that takes every name for its own. The
 * key `denied` is refused.
 */
export async function startStandInAws(directory: string, password: string): Promise<StandInAws> {
  const files = { cert: join(directory, 'aws.pem'), key: join(directory, 'aws.key') };
  const names = `subjectAltName=DNS:*.${region}.amazonaws.com,DNS:*.ecr.${region}.amazonaws.com,DNS:sts.amazonaws.com`;
  const subject = ['-subj', '/CN=aws', '-addext', names, '-keyout', files.key, '-out', files.cert];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  const calls: AwsCall[] = [];
  const tls = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const target = request.headers['x-amz-target'] ?? /Action=(\w+)/.exec(body)?.[1];
    const action = String(target).split('.').at(-1) ?? '';
    const keyId = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1];
    calls.push({ action, keyId, sessionToken: request.headers['x-amz-security-token']?.toString(), body });
    if (keyId === 'denied') {
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify({ __type: 'AccessDeniedException', message: 'not for you' }));
    } else if (action === 'GetCallerIdentity') {
      response.writeHead(200, { 'content-type': 'text/xml' });
      const result = `<GetCallerIdentityResult><Arn>arn:aws:iam::${account}:user/ann</Arn><UserId>u</UserId><Account>${account}</Account></GetCallerIdentityResult>`;
      response.end(
        `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</GetCallerIdentityResponse>`,
      );
    } else {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      const authorizationToken = Buffer.from(`AWS:${password}`).toString('base64');
      const proxyEndpoint = `https://${account}.dkr.ecr.${region}.amazonaws.com`;
      response.end(
        JSON.stringify({ authorizationData: [{ authorizationToken, proxyEndpoint, expiresAt: 4_000_000_000 }] }),
      );
    }
  };
  const api = createTlsServer(tls, (request, response) => void answer(request, response));
  const apiPort = await listen(api);
  const sockets = new Set<Socket>();
  const proxy = createServer().on('connect', (_request, socket: Socket, head: Buffer) => {
    const onward = connect(apiPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on('error', () => one.destroy());
    }
  });
  const proxyPort = await listen(proxy);
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await Promise.all([api, proxy].map((server) => new Promise((resolve) => server.close(resolve))));
  };
  return { env: { HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`, AWS_CA_BUNDLE: files.cert }, calls, close };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
