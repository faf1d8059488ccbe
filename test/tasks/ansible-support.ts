import { TestRepository } from '../support/git-repository.ts';
import type { JobParts } from './support.ts';

/** A play for all hosts with these tasks, as YAML below `tasks:`. */
export function play(...tasks: string[]): string {
  const list = tasks.map((task) => `    - ${task.replaceAll('\n', '\n      ')}`).join('\n');
  return `- hosts: all\n  gather_facts: false\n  tasks:\n${list}\n`;
}

/** The parts of a job that runs `site.yml` of a repository with these files. */
export function ansible(files: Record<string, string>, template: Record<string, unknown> = {}): JobParts {
  const repository = new TestRepository();
  repository.commit(files);
  return { template: { app: 'ansible', playbook: 'site.yml', ...template }, repository: { git_url: repository.url } };
}

export function reasonIn(outcome: unknown): string {
  return typeof outcome === 'object' && outcome !== null && 'reason' in outcome ? String(outcome.reason) : '';
}

/** The log without colours. */
export function plain(lines: readonly string[]): string {
  // oxlint-disable-next-line no-control-regex -- colours begin with an escape character
  return lines.join('\n').replaceAll(/\u001b\[[0-9;]*m/g, '');
}
