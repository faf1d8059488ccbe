import { runStep, TaskProblem, TaskStopped } from '../../problem.ts';
import { step, workspaceArguments, type Tool } from './command.ts';

/** Selects the workspace that the inventory names, and makes it when it is new (spec 5.8). Throws TaskProblem and TaskStopped. */
export async function selectWorkspace(tool: Tool, name: string): Promise<void> {
  const { host } = tool.input.context;
  const list = await host.capture(step(tool, 'workspace-list', 'requirements', workspaceArguments(tool, ['list'])));
  if (list.result.kind === 'stopped') throw new TaskStopped();
  if (list.result.kind !== 'exited' || list.result.code !== 0) {
    host.log('Workspaces are not supported, skipping workspace selection');
    return;
  }
  host.log(`Selecting workspace "${name}"`);
  const args = workspaceArguments(tool, ['select', '-or-create=true', name]);
  await runStep(host, step(tool, 'workspace-select', 'requirements', args), tool.name);
}

/** Name from an inventory of a workspace type, else `default`. Throws TaskProblem for what would be an option. */
export function workspaceName({ inventory, type }: { inventory: string; type: string }): string {
  const name = /^(terraform|tofu|terragrunt)-workspace$/.test(type) ? inventory.trim() : '';
  if (name.startsWith('-')) {
    throw new TaskProblem('prepare', `a workspace cannot be called "${name}"`, 'Correct the inventory.');
  }
  return name === '' ? 'default' : name;
}
