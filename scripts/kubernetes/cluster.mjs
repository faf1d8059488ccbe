// A real Kubernetes of one node on this machine: etcd, API server, controllers, scheduler and a kubelet that runs the pods on this
// machine's Docker engine. Everything listens on loopback, but for the kubelet, which must have an address of the node.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readLog } from '../setup/command.mjs';
import { StepError } from '../setup/console.mjs';
import { makeCertificates, writeKubeconfig } from './certificates.mjs';
import { Processes } from './processes.mjs';

const execute = promisify(execFile);

const START_MS = 180_000;
const node = 'test-node';
const pause = 'semaphore-test/pause:1';

/**
 * Starts a cluster from the programs in `bin`. Resolves, when its node is ready, with the path of a kubeconfig file with all rights, and
 * `close`, which ends all of it. Throws StepError, or the signal's reason.
 */
export async function startCluster({ bin, etcd, kubectl, signal }) {
  const address = await dockerAddress();
  await makePause();
  const directory = mkdtempSync(join(tmpdir(), 'semaphore-kubernetes-'));
  const processes = new Processes(directory, signal);
  const close = async () => {
    await processes.stop();
    // An engine that is gone must not keep the mounts.
    const [removed] = await Promise.allSettled([removeContainers()]);
    await unmount(join(directory, 'kubelet'));
    rmSync(directory, { recursive: true, force: true });
    if (removed.status === 'rejected') throw new StepError(`containers are left: ${removed.reason.message}`);
  };
  try {
    makeCertificates(directory, { address, node });
    const [etcdPort, peerPort, apiPort, kubeletPort] = await freePorts(4);
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    const server = `https://127.0.0.1:${apiPort}`;
    const config = (member) => writeKubeconfig(directory, member, server);
    processes.start('etcd', etcd, etcdArguments(directory, etcdUrl, `http://127.0.0.1:${peerPort}`));
    processes.start('kube-apiserver', join(bin, 'kube-apiserver'), apiArguments(directory, etcdUrl, apiPort));
    const kubeconfig = config('admin');
    const ask = (...args) => execute(kubectl, ['--kubeconfig', kubeconfig, ...args], { timeout: START_MS });
    await processes.until('the API server does not answer', START_MS, () => isReady(apiPort));
    processes.start('kube-controller-manager', join(bin, 'kube-controller-manager'), [
      `--kubeconfig=${config('kube-controller-manager')}`,
      '--leader-elect=false',
      '--port=0',
      '--secure-port=0',
      '--use-service-account-credentials=true',
      `--root-ca-file=${join(directory, 'ca.crt')}`,
      `--service-account-private-key-file=${join(directory, 'service-accounts.key')}`,
    ]);
    processes.start('kube-scheduler', join(bin, 'kube-scheduler'), [
      `--kubeconfig=${config('kube-scheduler')}`,
      '--leader-elect=false',
      '--port=0',
      '--secure-port=0',
    ]);
    processes.start(
      'kubelet',
      join(bin, 'kubelet'),
      kubeletArguments(directory, config('kubelet'), address, kubeletPort),
    );
    await processes.until('the node does not become ready', START_MS, async () => {
      await ask('wait', '--for=condition=Ready', `node/${node}`, '--timeout=1s');
      // A controller takes it away from a node that is ready; nothing is scheduled before.
      const { stdout: taints } = await ask('get', 'node', node, '--output=jsonpath={.spec.taints}');
      if (taints !== '') throw new Error(`it has the taints ${taints}`);
    });
    await processes.until('no default service account', START_MS, () => ask('get', 'serviceaccount', 'default'));
    const { stdout } = await ask('version', '--output=json');
    return { kubeconfig, directory, version: JSON.parse(stdout).serverVersion.gitVersion, close };
  } catch (error) {
    const kept = error instanceof StepError ? new StepError(error.message, { output: readLog(error.log) }) : error;
    await close().catch(() => undefined); // The first error is the one to tell.
    throw kept;
  }
}

function etcdArguments(directory, url, peerUrl) {
  return [
    '--name=local',
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=local=${peerUrl}`,
    '--unsafe-no-fsync',
  ];
}

function apiArguments(directory, etcdUrl, port) {
  const file = (name) => join(directory, name);
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    '--insecure-port=0',
    `--tls-cert-file=${file('kube-apiserver.crt')}`,
    `--tls-private-key-file=${file('kube-apiserver.key')}`,
    `--client-ca-file=${file('ca.crt')}`,
    `--kubelet-client-certificate=${file('kube-apiserver.crt')}`,
    `--kubelet-client-key=${file('kube-apiserver.key')}`,
    `--kubelet-certificate-authority=${file('ca.crt')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('service-accounts.key')}`,
    `--service-account-signing-key-file=${file('service-accounts.key')}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--endpoint-reconciler-type=none',
    '--allow-privileged=true',
    // Changes nothing that a test sees, and the tests are many.
    '--disable-admission-plugins=Priority',
  ];
}

function kubeletArguments(directory, kubeconfig, address, port) {
  const file = (name) => join(directory, name);
  mkdirSync(file('kubelet'), { recursive: true });
  return [
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${node}`,
    `--node-ip=${address}`,
    `--address=${address}`,
    `--port=${port}`,
    '--read-only-port=0',
    '--healthz-port=0',
    `--root-dir=${file('kubelet')}`,
    `--cert-dir=${file('kubelet')}`,
    `--tls-cert-file=${file('kubelet.crt')}`,
    `--tls-private-key-file=${file('kubelet.key')}`,
    `--client-ca-file=${file('ca.crt')}`,
    '--anonymous-auth=false',
    '--authorization-mode=Webhook',
    '--container-runtime=docker',
    '--cgroup-driver=cgroupfs',
    '--cgroups-per-qos=false',
    '--enforce-node-allocatable=',
    '--fail-swap-on=false',
    `--pod-infra-container-image=${pause}`,
    '--resolv-conf=/etc/resolv.conf',
    '--hairpin-mode=none',
    // There are no services, so nothing is to be left in the machine's packet filter.
    '--make-iptables-util-chains=false',
    // The engine and its disk are not the cluster's alone: it must neither judge nor tidy them.
    '--eviction-hard=memory.available<1Mi',
    '--image-gc-high-threshold=100',
    '--image-gc-low-threshold=99',
  ];
}

/**
 * The address of the engine's bridge: the only one besides loopback that nobody else can reach. (Not by os.networkInterfaces: that leaves
 * out a bridge to which nothing is connected.)
 */
async function dockerAddress() {
  const { stdout } = await execute('ip', ['-json', '-4', 'address', 'show', 'dev', 'docker0']).catch(() => ({
    stdout: '[]',
  }));
  const address = JSON.parse(stdout)[0]?.addr_info?.[0]?.local;
  if (address) return address;
  throw new StepError('there is no docker0: the pods of this cluster use the default bridge of the Docker engine');
}

async function makePause() {
  const recipe = 'FROM semaphore-test/busybox\nSTOPSIGNAL SIGKILL\nENTRYPOINT ["sleep", "2147483647"]\n';
  const child = execute('docker', ['build', '--quiet', '--tag', pause, '-']);
  child.child.stdin.end(recipe);
  await child;
}

/** The kubelet's containers, which it leaves to the next kubelet. */
async function removeContainers() {
  const list = ['ps', '--all', '--quiet', '--filter', 'label=io.kubernetes.pod.uid'];
  const ids = (await execute('docker', list)).stdout.split('\n').filter((id) => id !== '');
  if (ids.length > 0) await execute('docker', ['rm', '--force', '--volumes', ...ids]);
  await execute('docker', ['rmi', pause]).catch(() => undefined);
}

/** The kubelet's directory is a mount, and so are the volumes of pods that were not taken down. */
async function unmount(directory) {
  const { stdout } = await execute('findmnt', ['--list', '--noheadings', '--output=TARGET']);
  const inside = stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
  for (const path of inside.reverse()) await execute('umount', ['--lazy', path]);
}

function isReady(port) {
  return new Promise((resolve, reject) => {
    // Who may ask is not the point here; the certificate is checked by all others.
    const asked = request({ host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`/readyz says ${response.statusCode}`));
    });
    asked.once('error', reject);
    asked.end();
  });
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
