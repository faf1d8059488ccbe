import { join } from 'node:path/posix';
import type { HandOver } from '../../../secrets/index.ts';
import type { TaskContext } from '../../context.ts';
import { inside } from '../../inside.ts';
import { TaskProblem } from '../../problem.ts';

export interface Vaults {
  /** Values of `--vault-id`. */
  ids: string[];
  handOvers: HandOver[];
}

/** The vaults of the template: passwords through pipes, scripts by their path in the repository (spec 4.3). */
export function prepareVaults(context: TaskContext, directory: string): Vaults {
  const ids: string[] = [];
  const handOvers: HandOver[] = [];
  for (const [index, vault] of (context.job.template.vaults ?? []).entries()) {
    const name = vault.name ?? 'default';
    if (vault.type === 'script') {
      if (vault.script === undefined)
        throw new TaskProblem('prepare', `the vault "${name}" names no script`, 'Set its script file.');
      ids.push(`${name}@${inside(directory, vault.script, `the script of the vault "${name}"`)}`);
      continue;
    }
    const key = vault.vaultKeyId === undefined ? undefined : context.keys.get(vault.vaultKeyId);
    if (key?.type !== 'login_password') {
      throw new TaskProblem(
        'prepare',
        `the password of the vault "${name}" ${key === undefined ? 'was not sent by the server' : `is a key of type ${key.type}`}`,
        'A vault password must be a key of type login with password.',
      );
    }
    const path = join(context.place.privateDirectory, `vault-${index + 1}`);
    handOvers.push({ path, content: key.loginPassword.password });
    ids.push(`${name}@${path}`);
  }
  return { ids, handOvers };
}
