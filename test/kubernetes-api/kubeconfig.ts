/** How a client reaches the API and says who it is. */
export interface Access {
  server: string;
  /** PEM. */
  ca: string;
  namespace: string;
  token?: string;
  clientCertificate?: { key: string; certificate: string };
}

/** The text of a kubeconfig file; JSON is YAML. */
export function kubeconfigText({ server, ca, namespace, token, clientCertificate }: Access): string {
  const user = clientCertificate
    ? {
        'client-certificate-data': base64(clientCertificate.certificate),
        'client-key-data': base64(clientCertificate.key),
      }
    : { token };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace } }],
    'current-context': 'test',
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
