// The programs of Kubernetes, built from Debian's source package: Debian itself packages no server of Kubernetes any more, and 1.20 was the
// last but three that can use a Docker engine without a plug-in. Needs Go and a quarter of an hour on two cores, once.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/command.mjs';
import { StepError } from '../setup/console.mjs';
import { engineDirectory } from '../setup/docker-engine.mjs';
import { withLock } from '../setup/lock.mjs';

/** Programs built from another recipe are built anew: count up when anything here changes what is built. */
const recipe = '1';
const version = { release: 'bookworm', gitVersion: 'v1.20.2', gitMajor: '1', gitMinor: '20' };
const programs = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet'];

const home = join(engineDirectory, 'kubernetes');
const binaries = join(home, 'bin');
const gopath = join(home, 'gopath');
const tree = join(gopath, 'src/k8s.io/kubernetes');

/**
 * What is changed in the source. A process without CAP_SYS_RESOURCE, such as the engine in many containers, cannot protect its children
 * from the kernel's OOM killer, and runc then starts nothing at all.
 */
const changes = [
  {
    file: 'pkg/kubelet/dockershim/docker_sandbox.go',
    from: 'defaultSandboxOOMAdj int = -998',
    to: 'defaultSandboxOOMAdj int = 0',
  },
  { file: 'pkg/kubelet/qos/policy.go', from: 'guaranteedOOMScoreAdj int = -997', to: 'guaranteedOOMScoreAdj int = 0' },
];

/** Builds what is missing. Resolves with the directory of the programs. Throws StepError. */
export async function ensureBinaries() {
  mkdirSync(home, { recursive: true });
  await withLock(join(home, 'build.lock'), async () => {
    const stamp = join(binaries, 'recipe');
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return;
    await fetchSource();
    for (const { file, from, to } of changes) change(join(tree, file), from, to);
    await generateOpenApi();
    for (const name of programs) await go(['build', ...flags(), '-o', join(binaries, name), `./cmd/${name}`], name);
    writeFileSync(stamp, recipe);
    rmSync(gopath, { recursive: true, force: true });
    rmSync(join(home, 'gocache'), { recursive: true, force: true });
  });
  return binaries;
}

/** Debian's source, checked by apt against Debian's keys, in the place where Go looks for it. */
async function fetchSource() {
  const scratch = join(home, 'source');
  rmSync(scratch, { recursive: true, force: true });
  rmSync(gopath, { recursive: true, force: true });
  for (const directory of [scratch, join(scratch, 'lists/partial'), join(gopath, 'src/k8s.io')]) {
    mkdirSync(directory, { recursive: true });
  }
  const list = join(scratch, 'sources.list');
  const signed = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';
  for (const [host, suite] of [
    ['debian', version.release],
    ['debian-security', `${version.release}-security`],
  ])
    appendFileSync(list, `deb-src ${signed} http://deb.debian.org/${host} ${suite} main\n`);
  const places = {
    'Dir::Etc::SourceList': list,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(scratch, 'lists'),
  };
  const options = Object.entries(places).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  // As root apt would work as a user that cannot write here.
  const apt = ['-q', ...options, '-o', 'APT::Sandbox::User=root'];
  await run('apt-get', [...apt, 'update'], { title: 'kubernetes source list', cwd: scratch });
  await run('apt-get', [...apt, 'source', 'kubernetes'], {
    title: 'kubernetes source',
    cwd: scratch,
    hint: `${version.release} of Debian has the source of Kubernetes ${version.gitVersion}; it could not be fetched.`,
  });
  const [unpacked] = readdirSync(scratch, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name.startsWith('kubernetes-'),
  );
  if (!unpacked) throw new StepError('apt-get source kubernetes has unpacked nothing');
  renameSync(join(scratch, unpacked.name), tree);
  rmSync(scratch, { recursive: true, force: true });
}

function change(file, from, to) {
  const text = readFileSync(file, 'utf8');
  if (!text.includes(from)) throw new StepError(`${file} is not what it was: it has no '${from}'`);
  writeFileSync(file, text.replace(from, to));
}

/** The one generated file that the source package leaves out: what the API server says about its API. */
async function generateOpenApi() {
  const generator = join(home, 'openapi-gen');
  await go(['build', '-o', generator, './vendor/k8s.io/kube-openapi/cmd/openapi-gen'], 'openapi-gen');
  const header = join(home, 'header.txt');
  writeFileSync(header, '');
  const list = [
    `grep -rl --include='*.go' '^// *+k8s:openapi-gen=' cmd pkg plugin staging/src/k8s.io`,
    'grep -v -e code-generator/ -e sample-apiserver/ -e _examples',
    'xargs -n1 dirname',
    'sort -u',
    `sed -e 's,^staging/src/,vendor/,' -e 's,^,k8s.io/kubernetes/,'`,
    'paste -sd,',
  ].join(' | ');
  const output = '-p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi';
  const report = join(home, 'openapi-violations.txt');
  await run('sh', ['-c', `exec "$0" -h "$1" -r "$2" ${output} -i "$(${list})"`, generator, header, report], {
    title: 'kubernetes openapi',
    cwd: tree,
    env: environment(),
  });
  for (const file of [generator, header, report]) rmSync(file, { force: true });
}

function flags() {
  const packages = ['client-go/pkg/version', 'component-base/version'].flatMap((name) => [
    `k8s.io/${name}`,
    `k8s.io/kubernetes/vendor/k8s.io/${name}`,
  ]);
  const { release: _release, ...values } = version;
  const settings = packages.flatMap((name) =>
    Object.entries({ ...values, gitTreeState: 'clean' }).map(([key, value]) => `-X ${name}.${key}=${value}`),
  );
  return ['-trimpath', '-ldflags', `-s -w ${settings.join(' ')}`];
}

async function go(args, title) {
  await run('go', args, {
    title: `go build ${title}`,
    cwd: tree,
    env: environment(),
    hint: 'Debian’s golang-go 1.19 builds it; a much newer Go may not.',
  });
}

function environment() {
  const { PATH, HOME } = process.env;
  const cache = join(home, 'gocache');
  return { PATH, HOME, GO111MODULE: 'off', GOFLAGS: '', GOPATH: gopath, GOCACHE: cache, CGO_ENABLED: '0' };
}
