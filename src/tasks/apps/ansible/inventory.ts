import { inventoryCheckoutName, inventoryFileName } from '../../../workspace/index.ts';
import { inside } from '../../inside.ts';
import { TaskProblem, withFiles } from '../../problem.ts';
import { prepareTree } from '../../repository.ts';
import type { AppInput } from '../app.ts';

/** Makes the inventory ready and returns its absolute path (spec 4.4, 5.7). Throws TaskProblem. */
export async function prepareInventory({ context, directory }: AppInput): Promise<string> {
  const { files, host, job, place } = context;
  const { inventory, task } = job;
  switch (inventory.type) {
    case 'static':
    case 'static-yaml': {
      host.log('installing static inventory');
      const name = inventoryFileName(inventory.id, task.id, inventory.type === 'static-yaml');
      return await withFiles('inventory', 'Failed to install inventory', () =>
        place.writePrivate(name, inventory.inventory),
      );
    }
    case 'file': {
      const path = inside(await inventoryRoot({ context, directory }), inventory.inventory, 'the inventory file');
      if (await host.once('inventory-file', async () => (await files.kindOf(path)) !== undefined)) return path;
      throw new TaskProblem(
        'inventory',
        `there is no file ${inventory.inventory} in the repository`,
        'Correct the path of the inventory.',
      );
    }
    case '':
      throw new TaskProblem('inventory', 'the template has no inventory', 'Choose one; an Ansible task needs it.');
    default:
      throw new TaskProblem(
        'inventory',
        `invalid inventory type: ${inventory.type}`,
        'Use static, static-yaml or file.',
      );
  }
}

async function inventoryRoot({ context, directory }: Pick<AppInput, 'context' | 'directory'>): Promise<string> {
  const { host, job } = context;
  const { inventory, inventoryRepository: repository } = job;
  if (repository === undefined || inventory.repositoryId === undefined) return directory;
  host.log('cloning inventory repository');
  const branch = repository.gitBranch;
  const tree = await prepareTree(context, {
    repository,
    revision: { kind: 'branch', name: branch },
    name: inventoryCheckoutName({ repositoryId: repository.id, templateId: job.template.id, branch }, inventory.id),
    keyPrefix: 'clone-inventory',
  });
  return tree.directory;
}
