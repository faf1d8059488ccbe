/** The first descriptor of a step's `sh` by which it enters its cgroups; below are its log, its exit file and its wire. */
const firstEntrance = 5;

/**
 * Command for `sh` that moves it into the `count` (at most 4: `dash` knows one digit) cgroups whose entrances are its
 * descriptors from 5 on, and closes them: `0` stands for whoever writes. `otherwise` is what it does when that fails.
 */
export function enterCommand(count: number, otherwise: string): string {
  const fds = Array.from({ length: count }, (_, index) => firstEntrance + index);
  if (fds.length === 0) return '';
  const enter = fds.map((fd) => `echo 0 >&${fd}`).join(' && ');
  return `{ ${enter}; } 2>/dev/null || ${otherwise}; exec ${fds.map((fd) => `${fd}>&-`).join(' ')}; `;
}
