import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { V1Container, V1PodSpec, V1PolicyRule } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { needs } from '../support/tools.ts';

const root = join(import.meta.dirname, '../../deploy/kubernetes');

/**
 * True when kubectl is here and its kustomize is one of today: before 1.21 it knows neither directories as resources nor labels. Debian 12 has
 * only such an old one, so that this is no reason to fail where `CI` is set.
 */
export function needsKustomize(): boolean {
  if (!needs('kubectl')) return false;
  const version = execFileSync('kubectl', ['version', '--client', '--output=json'], { encoding: 'utf8' });
  const minor = Number(/"minor": "(\d+)/.exec(version)?.[1]);
  if (minor >= 21) return true;
  process.stderr.write(
    `\n!!! kubectl 1.${minor} is too old for kustomize: the manifests are not tested. Use 1.21 or newer.\n\n`,
  );
  return false;
}

/** An object of the rendered manifests, as far as tests look at it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: {
    replicas?: number;
    serviceName?: string;
    template?: { metadata: { labels: Record<string, string> }; spec: V1PodSpec };
    volumeClaimTemplates?: { metadata: { name: string } }[];
  };
  data?: Record<string, string>;
  rules?: V1PolicyRule[];
  roleRef?: { name: string };
  subjects?: { name: string; namespace?: string }[];
}

/** What `kubectl kustomize` makes of a directory below deploy/kubernetes. */
export function render(directory: string): Manifest[] {
  const text = execFileSync('kubectl', ['kustomize', join(root, directory)], { encoding: 'utf8' });
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** The pods that workloads of the manifests would make: with the one container that each of ours has. */
export function podsOf(manifests: readonly Manifest[]): { owner: Manifest; spec: V1PodSpec; container: V1Container }[] {
  return manifests.flatMap((owner) => {
    const spec = owner.spec?.template?.spec;
    const [container, ...others] = spec?.containers ?? [];
    if (!spec || !container || others.length > 0) return [];
    return [{ owner, spec, container }];
  });
}

/** `pods: create get …`, one line for each resource of a role. */
export function rightsOf(manifests: readonly Manifest[], role: string): string[] {
  const rules = manifests.find(({ kind, metadata }) => kind === 'Role' && metadata.name === role)?.rules ?? [];
  return rules
    .flatMap(({ resources = [], verbs }) => resources.map((resource) => `${resource}: ${verbs.toSorted().join(' ')}`))
    .sort();
}
