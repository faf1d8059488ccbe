/**
 * The known key that a mistyped one most likely stands for: same letters wherever it stands (`token_file` for
 * `runner.token_file`), or few letters off among its neighbours.
 */
export function nearestKey(dotted: string, known: readonly string[]): string | undefined {
  const wanted = split(dotted);
  let best: { key: string; cost: number } | undefined;
  for (const key of known) {
    const candidate = split(key);
    const letters = distance(wanted.leaf, candidate.leaf);
    if (letters > Math.max(1, Math.floor(wanted.leaf.length / 3))) continue;
    // Elsewhere in the file only the very name counts: a near miss there is more likely a coincidence.
    if (candidate.parent !== wanted.parent && letters > 0) continue;
    const cost = letters + (candidate.parent === wanted.parent ? 0 : 0.5);
    if (!best || cost < best.cost) best = { key, cost };
  }
  return best?.key;
}

function split(dotted: string): { parent: string; leaf: string } {
  const at = dotted.lastIndexOf('.');
  return {
    parent: dotted.slice(0, Math.max(0, at)),
    leaf: dotted
      .slice(at + 1)
      .toLowerCase()
      .replaceAll('-', '_'),
  };
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
