import { isObject, parseJson } from '../../json.ts';
import type { Output } from '../../outputs/index.ts';
import { TaskStopped } from '../../problem.ts';
import { step, type Tool } from './command.ts';

/** Hands the outputs of a workflow's task on (spec 5.13). What cannot be read is told, and does not fail the task. */
export async function offerOutputs(tool: Tool): Promise<void> {
  const { context, outputs } = tool.input;
  if (!outputs) return;
  const { result, stdout } = await context.host.capture(step(tool, 'output', 'outputs', ['output', '-json']));
  if (result.kind === 'stopped') throw new TaskStopped();
  const read = result.kind === 'exited' && result.code === 0 ? readOutputs(stdout) : undefined;
  if (read) outputs.offer(read);
  else context.host.log(`Terraform outputs were not captured: ${tool.name} output -json did not give any.`);
}

/** What `output -json` prints: `{"name": {"value": …, "sensitive": true}}`; undefined when it is something else. */
export function readOutputs(text: string): Output[] | undefined {
  let document: unknown;
  try {
    document = parseJson(text);
  } catch {
    return undefined;
  }
  if (!isObject(document)) return undefined;
  return Object.entries(document).flatMap(([name, entry]) =>
    isObject(entry) && 'value' in entry
      ? [{ name, value: entry['value'], sensitive: entry['sensitive'] === true }]
      : [],
  );
}
