import type { AppInput } from '../app.ts';
import type { Phase, Step } from '../../types.ts';

/** Least time from SIGINT to KILL: a state that stays locked costs more than a minute, milliseconds. */
const minGraceMs = 60_000;

/** Terraform, or one of the tools that are used the same way. */
export interface Tool {
  name: string;
  /** Executable. */
  command: string;
  leading: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  input: AppInput;
}

/** The executable and leading arguments of an app, or what `apps.<name>` says instead (spec 5.8). */
export function toolCommand({ context }: AppInput, name: string): Pick<Tool, 'name' | 'command' | 'leading'> {
  const config = context.config.apps[name];
  return { name, command: config?.path ?? name, leading: config?.args ?? [] };
}

/** One command as a step; `key` names it in the log's record. */
export function step(tool: Tool, key: string, phase: Phase, args: readonly string[]): Step {
  const { config } = tool.input.context;
  return {
    key,
    phase,
    command: tool.command,
    args: [...tool.leading, ...args.slice(0, 1), ...pathArguments(tool, args), ...args.slice(1)],
    cwd: tool.cwd,
    env: tool.env,
    // Both finish what they are doing and unlock the state.
    stop: { signal: 'SIGINT', graceMs: Math.max(config.runner.stopGraceMs, minGraceMs) },
  };
}

/** `workspace …`, which Terragrunt passes on only when it is told to. */
export function workspaceArguments(tool: Tool, args: readonly string[]): string[] {
  return tool.name === 'terragrunt' ? ['run', '--', 'workspace', ...args] : ['workspace', ...args];
}

/** Terragrunt would run `tofu` where that is installed; the original always says `terraform` (spec 5.8). */
function pathArguments({ leading, name }: Tool, args: readonly string[]): string[] {
  const isSaid = [...leading, ...args].some((argument) => /^--?tf-path(=|$)/.test(argument));
  return name === 'terragrunt' && !isSaid ? ['--tf-path=terraform'] : [];
}
