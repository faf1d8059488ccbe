let inherited: number | undefined;

/** From now on every file of ours is for our user alone, whatever mode it is made with. Tools get back what we were started with. */
export function restrictUmask(): void {
  const before = process.umask(0o077);
  inherited ??= before;
}

/**
 * What this process was started with, for the tools of tasks: files that a playbook makes, and modes that it copies from a checkout,
 * depend on it. Undefined when it was not restricted.
 */
export function inheritedUmask(): number | undefined {
  return inherited;
}
