import type { TerraformTaskParams, TerraformTemplateParams } from '../../../protocol/ui/index.ts';
import { requireSuccess, runStep, TaskProblem, TaskStopped } from '../../problem.ts';
import { step, type Tool } from './command.ts';
import type { StageArguments } from './stage-arguments.ts';
import { appliedSummary, plannedSummary, unchangedSummary } from './summary.ts';

export interface PlanOptions {
  params: TerraformTaskParams;
  templateParams: TerraformTemplateParams;
  args: StageArguments;
  /** `-var-file` with variables of the task, when there are any that go this way. */
  varFile: string | undefined;
}

/** What `-detailed-exitcode` says of a plan that would change something. */
const hasChanges = 2;

/**
 * Plans, has the plan confirmed unless that is not needed, and applies what was planned (spec 5.8). The plan is in a file of
 * the task's own that is gone when this ends. Resolves with a line that says what was done. Throws TaskProblem and
 * TaskStopped.
 */
export async function planAndApply(tool: Tool, options: PlanOptions): Promise<string> {
  const { context } = tool.input;
  const { host } = context;
  // Made here, so that it is readable by nobody else from its first byte on: a plan contains every secret.
  const planFile = await host.once('plan-file', () => context.place.writePrivate('plan', ''));
  try {
    if ((await plan(tool, options, planFile)) === 'nothing to do') return unchangedSummary;
    if (options.params.plan) return await plannedSummary(host);
    if (!isApprovedBefore(options)) await decide(tool);
    const args = ['apply', ...options.args.apply, '-input=false', '-auto-approve', planFile];
    await runStep(host, step(tool, 'apply', 'run', args), tool.name);
    return await appliedSummary(host);
  } finally {
    await context.files.remove(planFile);
  }
}

async function plan(tool: Tool, options: PlanOptions, planFile: string): Promise<'changes' | 'nothing to do'> {
  const { host } = tool.input.context;
  const { args, params, varFile } = options;
  const result = await host.run(
    step(tool, 'plan', 'run', [
      'plan',
      ...(params.destroy ? ['-destroy'] : []),
      ...args.plan,
      // Last, because the last one counts.
      ...(varFile === undefined ? [] : [`-var-file=${varFile}`]),
      '-input=false',
      '-detailed-exitcode',
      `-out=${planFile}`,
    ]),
  );
  if (result.kind === 'exited' && result.code === hasChanges) return 'changes';
  const failed = result.kind === 'exited' && result.code !== 0;
  requireSuccess('run', tool.name, result, { output: failed ? await host.tail('plan') : '' });
  return 'nothing to do';
}

function isApprovedBefore({ params, templateParams }: PlanOptions): boolean {
  return templateParams.autoApprove || (templateParams.allowAutoApprove && params.autoApprove);
}

async function decide(tool: Tool): Promise<void> {
  const { host } = tool.input.context;
  host.log('Waiting for a decision: confirm this plan to have it applied as it is, or reject it.');
  let decision;
  try {
    decision = await host.waitForDecision();
  } catch (error: unknown) {
    if (host.signal.aborted) throw new TaskStopped();
    throw error;
  }
  if (decision === 'rejected') throw new TaskProblem('run', 'the plan was rejected', 'Nothing was changed.');
  host.setStatus('running');
  host.log('The plan was confirmed.');
}
