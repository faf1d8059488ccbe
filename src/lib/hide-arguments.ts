/**
 * Blots the values of `flags` out of what others see of this process (`ps`, `/proc/<pid>/cmdline`); `process.argv` stays. Until
 * then, and in the shell that typed them, they can be seen: files and variables are the better place. Nothing changes when
 * none of the flags was given.
 */
export function hideArguments(flags: readonly string[]): void {
  let hidden = false;
  const words = [process.argv0, ...process.execArgv, ...process.argv.slice(1)].map((word, index, all) => {
    const flag = flags.find((name) => word.startsWith(`${name}=`));
    const isValue = flags.includes(all[index - 1] ?? '');
    if (flag === undefined && !isValue) return word;
    hidden = true;
    // No longer than what it stands for: the system keeps only as much room as there was.
    return isValue ? blot(word) : `${flag}=${blot(word.slice((flag?.length ?? 0) + 1))}`;
  });
  if (hidden) process.title = words.join(' ');
}

function blot(value: string): string {
  return '*'.repeat(Math.min(3, value.length));
}
