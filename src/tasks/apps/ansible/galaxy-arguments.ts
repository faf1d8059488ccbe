import { TaskProblem } from '../../problem.ts';

/** Options of `ansible-galaxy … install` that a template may add; the value says whether another argument follows. */
const allowed: Readonly<Record<string, boolean>> = {
  '--api-version': true,
  '--clear-response-cache': false,
  '--disable-gpg-verify': false,
  '--force': false,
  '--force-with-deps': false,
  '--ignore-certs': false,
  '--ignore-errors': false,
  '--ignore-signature-status-code': true,
  '--keep-scm-meta': false,
  '--keyring': true,
  '--no-cache': false,
  '--no-deps': false,
  '--offline': false,
  '--pre': false,
  '--required-valid-signature-count': true,
  '--server': true,
  '--signature': true,
  '--timeout': true,
  '--upgrade': false,
  '--verbose': false,
  '-U': false,
  '-c': false,
  '-f': false,
  '-g': false,
  '-i': false,
  '-n': false,
  '-s': true,
  '-v': false,
  '-vv': false,
  '-vvv': false,
};

/**
 * The extra arguments of a template for `ansible-galaxy` (spec 5.7): known options only, none that names another file to
 * install from or another place to install to. Throws TaskProblem.
 */
export function galaxyArguments(args: readonly string[]): string[] {
  let takesValue = false;
  for (const arg of args) {
    if (takesValue) {
      takesValue = false;
      continue;
    }
    const equals = arg.indexOf('=');
    const name = arg.startsWith('--') && equals > 0 ? arg.slice(0, equals) : arg;
    const wants = allowed[name];
    if (wants === undefined || (!wants && name !== arg)) {
      throw new TaskProblem(
        'requirements',
        `the argument ${JSON.stringify(arg)} for ansible-galaxy is not allowed`,
        `Allowed are: ${Object.keys(allowed).join(' ')}.`,
      );
    }
    takesValue = wants && name === arg;
  }
  return [...args];
}
