import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** Real playbooks by the real ansible-playbook. */

const playbook = `
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ greeting }} on {{ inventory_hostname }}"
`;

/** A PATH with everything but the named commands. */
function pathWithout(...names: string[]): string {
  const bin = join(tempDir(), 'bin');
  mkdirSync(bin);
  const taken = new Set(names);
  for (const directory of (process.env.PATH ?? '').split(':')) {
    let entries: string[];
    try {
      entries = readdirSync(directory);
    } catch {
      continue; // PATH may name directories that are not there.
    }
    for (const entry of entries) {
      if (taken.has(entry)) continue;
      taken.add(entry);
      symlinkSync(join(directory, entry), join(bin, entry));
    }
  }
  return bin;
}

describe('a playbook', () => {
  it('without ansible-playbook on the machine is an error that says what to install', async () => {
    const world = await createWorld({
      files: { 'site.yml': playbook },
      project: {
        inventories: [{ name: 'local', inventory: 'here ansible_connection=local\n' }],
        templates: [
          { id: 1, name: 'Greet', app: 'ansible', playbook: 'site.yml', repository: 'main', inventory: 'local' },
        ],
      },
      runnerPath: pathWithout('ansible-playbook', 'ansible', 'ansible-galaxy'),
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).at(-1)).toMatch(/ansible-playbook.*(not|install)/i);
  });

  it.runIf(needs('ansible-playbook'))('of a host that is not in the inventory limit is not run', async () => {
    const world = await createWorld({
      files: { 'site.yml': playbook },
      project: {
        inventories: [{ name: 'two', inventory: 'a ansible_connection=local\nb ansible_connection=local\n' }],
        variable_groups: [{ name: 'words', variables: { greeting: 'Hello' } }],
        templates: [
          {
            id: 1,
            name: 'Greet',
            app: 'ansible',
            playbook: 'site.yml',
            repository: 'main',
            inventory: 'two',
            variable_groups: ['words'],
            task_params: { allow_override_limit: true },
          },
        ],
      },
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1, { params: { limit: ['b'] } });
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    const log = (await world.api.log(id)).join('\n');
    expect(log).toContain('Hello on b');
    expect(log).not.toContain('Hello on a');
    expect(log).toMatch(/^b +: ok=1 /m);
  });
});
