// The keys of a cluster, made with openssl: who is who in it is said by the certificates.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Writes `ca.crt`, the keys for service accounts, and key and certificate of every member of a cluster into `directory`. */
export function makeCertificates(directory, { address, node }) {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('req', '-x509', ...key, '-days', '30', '-subj', '/CN=kubernetes', '-keyout', 'ca.key', '-out', 'ca.crt');
  openssl('genrsa', '-out', 'service-accounts.key', '2048');
  const issue = (name, subject, extensions) => {
    openssl('req', ...key, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    writeFileSync(join(directory, `${name}.ext`), extensions);
    const authority = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
    const files = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.crt`];
    openssl('x509', '-req', ...authority, '-days', '30', ...files);
  };
  const both = 'extendedKeyUsage=serverAuth,clientAuth\n';
  const servers = `subjectAltName=IP:127.0.0.1,IP:10.96.0.1,IP:${address},DNS:localhost,DNS:${node}\n${both}`;
  issue('kube-apiserver', '/O=system:masters/CN=kube-apiserver', servers);
  issue('kubelet', `/O=system:nodes/CN=system:node:${node}`, servers);
  issue('kube-scheduler', '/CN=system:kube-scheduler', both);
  issue('kube-controller-manager', '/CN=system:kube-controller-manager', both);
  issue('admin', '/O=system:masters/CN=admin', both);
}

/** Writes a kubeconfig file for one of the members and returns its path. */
export function writeKubeconfig(directory, member, server) {
  const data = (file) => readFileSync(join(directory, file)).toString('base64');
  const path = join(directory, `${member}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'local', cluster: { server, 'certificate-authority-data': data('ca.crt') } }],
    users: [
      {
        name: member,
        user: { 'client-certificate-data': data(`${member}.crt`), 'client-key-data': data(`${member}.key`) },
      },
    ],
    contexts: [{ name: 'local', context: { cluster: 'local', user: member } }],
    'current-context': 'local',
  };
  writeFileSync(path, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  return path;
}
