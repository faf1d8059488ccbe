import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './command.mjs';
import { Interrupted } from './console.mjs';

/** Command → its package, by package manager. The first apt name that the machine's release knows is taken. */
const tools = {
  git: { apt: ['git'], dnf: 'git', apk: 'git', brew: 'git' },
  bash: { apt: ['bash'], dnf: 'bash', apk: 'bash', brew: 'bash' },
  python3: { apt: ['python3'], dnf: 'python3', apk: 'python3', brew: 'python' },
  'ansible-playbook': { apt: ['ansible-core', 'ansible'], dnf: 'ansible-core', apk: 'ansible-core', brew: 'ansible' },
  ssh: { apt: ['openssh-client'], dnf: 'openssh-clients', apk: 'openssh-client', brew: 'openssh' },
  'ssh-keygen': { apt: ['openssh-client'], dnf: 'openssh', apk: 'openssh-keygen', brew: 'openssh' },
  sshd: { apt: ['openssh-server'], dnf: 'openssh-server', apk: 'openssh-server', brew: 'openssh' },
  openssl: { apt: ['openssl'], dnf: 'openssl', apk: 'openssl', brew: 'openssl' },
  zsh: { apt: ['zsh'], dnf: 'zsh', apk: 'zsh', brew: 'zsh' },
  fish: { apt: ['fish'], dnf: 'fish', apk: 'fish', brew: 'fish' },
  tinyproxy: { apt: ['tinyproxy-bin', 'tinyproxy'], dnf: 'tinyproxy', apk: 'tinyproxy', brew: 'tinyproxy' },
  'dbus-daemon': { apt: ['dbus-daemon', 'dbus'], dnf: 'dbus-daemon', apk: 'dbus', brew: 'dbus' },
  'gnome-keyring-daemon': { apt: ['gnome-keyring'], dnf: 'gnome-keyring', apk: 'gnome-keyring', brew: 'gnome-keyring' },
  sshpass: { apt: ['sshpass'], dnf: 'sshpass', apk: 'sshpass', brew: 'sshpass' },
  docker: { apt: ['docker-cli', 'docker.io'], dnf: 'moby-engine', apk: 'docker-cli', brew: 'docker' },
  dockerd: { apt: ['docker.io'], dnf: 'moby-engine', apk: 'docker-engine', brew: 'colima' },
  'docker-compose': {
    apt: ['docker-compose'],
    dnf: 'docker-compose',
    apk: 'docker-cli-compose',
    brew: 'docker-compose',
  },
  'docker-registry': {
    apt: ['docker-registry'],
    dnf: 'docker-distribution',
    apk: 'docker-registry',
    brew: 'distribution',
  },
  debootstrap: { apt: ['debootstrap'], dnf: 'debootstrap', apk: 'debootstrap', brew: 'debootstrap' },
  aws: { apt: ['awscli'], dnf: 'awscli2', apk: 'aws-cli', brew: 'awscli' },
  kubectl: { apt: ['kubernetes-client', 'kubectl'], dnf: 'kubernetes-client', apk: 'kubectl', brew: 'kubernetes-cli' },
  'systemd-analyze': { apt: ['systemd'], dnf: 'systemd', apk: 'systemd', brew: 'systemd' },
  // For `npm run test:kubernetes` only.
  go: { apt: ['golang-go'], dnf: 'golang', apk: 'go', brew: 'go' },
  etcd: { apt: ['etcd-server'], dnf: 'etcd', apk: 'etcd', brew: 'etcd' },
  'dpkg-source': { apt: ['dpkg-dev'], dnf: 'dpkg-dev', apk: 'dpkg-dev', brew: 'dpkg' },
};

/** What starts with the machine, or at once, when the package of a tool is installed. The tests need none of them. */
const services = {
  sshd: ['ssh.service', 'ssh.socket'],
  dockerd: ['docker.service', 'docker.socket', 'containerd.service'],
  'docker-registry': ['docker-registry.service'],
  etcd: ['etcd.service'],
};

const managers = [
  { name: 'apt', command: 'apt-get', line: (names) => `apt-get install ${names}` },
  { name: 'dnf', command: 'dnf', line: (names) => `dnf install ${names}` },
  { name: 'apk', command: 'apk', line: (names) => `apk add ${names}` },
  { name: 'brew', command: 'brew', line: (names) => `brew install ${names}` },
];

/** The path of a command, or undefined. sshd lives where a normal user's PATH does not look. */
export function findTool(name) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/**
 * Installs what is missing where that can be done without asking (root on Debian or Ubuntu), and says what to do
 * elsewhere. Returns the line for the person and the commands that are still missing; only Ctrl-C is an error.
 */
export async function installTools(wanted) {
  const missing = () => wanted.filter((name) => !isThere(name));
  const before = missing();
  if (before.length === 0) return { text: wanted.join(', '), missing: [] };
  const problem = await install(before);
  const after = missing();
  if (after.length === 0) return { text: `installed ${before.join(', ')}`, missing: [] };
  return { text: `missing: ${after.join(', ')}. ${problem ?? advice(after)}`, warn: true, missing: after };
}

/** Compose may be a program or a plug-in of the docker command, and an engine that answers may run anywhere. */
const elsewhere = { 'docker-compose': ['compose', 'version'], dockerd: ['version'] };

function isThere(name) {
  if (findTool(name) !== undefined) return true;
  return elsewhere[name] !== undefined && spawnSync('docker', elsewhere[name], { stdio: 'ignore' }).status === 0;
}

async function install(names) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !findTool('apt-get')) return undefined;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' };
  const apt = ['-q', '-o', 'DPkg::Lock::Timeout=120'];
  try {
    await run('apt-get', [...apt, 'update'], { title: 'apt-get update', env });
    const packages = new Set();
    for (const name of names) packages.add(await knownPackage(tools[name].apt));
    await withoutServices(names, () =>
      run('apt-get', [...apt, 'install', '--yes', '--no-install-recommends', ...packages], {
        title: 'apt-get install',
        env,
      }),
    );
    return undefined;
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    return `${error.message}${error.log ? `; see ${error.log}` : ''}`;
  }
}

async function knownPackage(candidates) {
  for (const candidate of candidates.slice(0, -1)) {
    try {
      await run('apt-cache', ['show', candidate], { title: 'apt-cache show' });
      return candidate;
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      // This release of the system does not have it; the next name may be older.
    }
  }
  return candidates.at(-1);
}

/**
 * The tests start an sshd, a Docker engine and registries of their own; installing the packages must not start others, nor open port 22 of
 * the machine. Debian asks policy-rc.d before it starts a service, and a service that is not enabled stays off after a restart, too.
 * Those that were there before stay as they are.
 */
async function withoutServices(names, work) {
  const isKnown = (unit) =>
    existsSync(join('/lib/systemd/system', unit)) || existsSync(join('/etc/systemd/system', unit));
  const units = names.flatMap((name) => services[name] ?? []).filter((unit) => !isKnown(unit));
  const policy = '/usr/sbin/policy-rc.d';
  const ours = units.length > 0 && !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await work();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
  const added = units.filter(isKnown);
  if (added.length > 0 && existsSync('/run/systemd/system')) {
    await run('systemctl', ['disable', ...added], { title: 'systemctl disable' });
  }
}

function advice(names) {
  const manager = managers.find(({ command }) => findTool(command));
  if (!manager) return `Install ${names.join(', ')} and put ${names.length === 1 ? 'it' : 'them'} on PATH.`;
  const packages = [...new Set(names.map((name) => [tools[name][manager.name]].flat()[0]))];
  const sudo = manager.name === 'brew' || process.getuid?.() === 0 ? '' : 'sudo ';
  return `To get them: ${sudo}${manager.line(packages.join(' '))}`;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
