import { TaskProblem } from '../problem.ts';
import type { App } from './app.ts';

/** Terraform, OpenTofu, Terragrunt: refused with a clear line until this program can run them. */
export function terraformApp(name: string): App {
  const refuse = (): never => {
    throw new TaskProblem(
      'prepare',
      `this version of the runner cannot run ${name} templates`,
      'Use a runner that can.',
    );
  };
  return { check: refuse, run: refuse };
}
