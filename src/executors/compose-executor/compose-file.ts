import type { JobRequest } from '../../protocol/ci/index.ts';
import { decodeBase64 } from '../host-executor/base64.ts';
import { composeText, yamlText } from './yaml-text.ts';

export type JobContainer = JobRequest['compose']['containers'][number];

/** A file of the host in the first container. */
export interface Mount {
  hostPath: string;
  destination: string;
}

export interface ComposeFileOptions {
  /** Whether every container gets `/dev/kvm`. */
  kvm: boolean;
  mounts: readonly Mount[];
}

const head = 'version: "2.0"\n\nservices:\n';

/**
 * What docker compose makes the containers of a job from (spec CI 6.2): keys in the order of the original, and only those that are set,
 * but with every value quoted and escaped, so that the containers get what the job says, letter by letter.
 */
export function composeFile(containers: readonly JobContainer[], options: ComposeFileOptions): string {
  const [first, ...linked] = containers;
  const blocks = containers.map((container) => [
    ...serviceLines(container, options),
    ...(container === first
      ? [
          ...listLines(
            'links',
            linked.map(({ name }) => yamlText(name)),
          ),
          ...listLines(
            'volumes',
            options.mounts.map(({ hostPath, destination }) => composeText(`${hostPath}:${destination}`)),
          ),
        ]
      : []),
  ]);
  return head + blocks.map((lines) => `${lines.join('\n')}\n\n`).join('');
}

/** A second file, which compose lays over the first: labels by which people find the containers of a job. */
export function labelsFile(containers: readonly JobContainer[], labels: Readonly<Record<string, string>>): string {
  const items = Object.entries(labels).map(([name, value]) => composeText(`${name}=${value}`));
  const blocks = containers.map(({ name }) => [`  ${yamlText(name)}:`, ...listLines('labels', items)]);
  return head + blocks.map((lines) => `${lines.join('\n')}\n\n`).join('');
}

function serviceLines(
  { name, image, command, user, entrypoint, variables }: JobContainer,
  { kvm }: ComposeFileOptions,
): string[] {
  return [
    `  ${yamlText(name)}:`,
    ...valueLine('image', image),
    ...(kvm ? listLines('devices', ['"/dev/kvm:/dev/kvm"']) : []),
    ...valueLine('command', command),
    ...valueLine('user', user),
    ...valueLine('entrypoint', entrypoint),
    ...listLines(
      'environment',
      variables.map((variable) => composeText(`${variable.name}=${decodedOrEmpty(variable.value)}`)),
    ),
  ];
}

function valueLine(key: string, value: string): string[] {
  return value === '' ? [] : [`    ${key}: ${composeText(value)}`];
}

function listLines(key: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`    ${key}:`, ...items.map((item) => `      - ${item}`)];
}

/** What is not base64 counts as empty (spec CI 4.2). */
function decodedOrEmpty(encoded: string): string {
  return decodeBase64(encoded)?.toString('utf8') ?? '';
}
