/** One line of the result: what was measured, against which goal and which floor of the same run. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** The goal: at most or at least so much, in the same unit. */
  goal?: { atMost: number } | { atLeast: number };
  /** The same work without us, measured in the same run, in the same unit. */
  floor?: number;
}

/** Prints the figures as a table; returns the names of those that miss their goal. */
export function printTable(figures: readonly Figure[]): string[] {
  const rows = figures.map((figure) => [
    figure.name,
    `${show(figure.value)} ${figure.unit}`,
    goalText(figure),
    figure.floor === undefined ? '' : `${show(figure.floor)} ${figure.unit}`,
    figure.floor ? `${(figure.value / figure.floor).toFixed(2)} x` : '',
    figure.goal === undefined ? '' : isMet(figure) ? 'met' : 'MISSED',
  ]);
  const table = [['figure', 'measured', 'goal', 'floor', 'ratio', ''], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  return figures.filter((figure) => figure.goal !== undefined && !isMet(figure)).map((figure) => figure.name);
}

function isMet({ goal, value }: Figure): boolean {
  if (goal === undefined) return true;
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

function goalText({ goal, unit }: Figure): string {
  if (goal === undefined) return '';
  return 'atMost' in goal ? `<= ${show(goal.atMost)} ${unit}` : `>= ${show(goal.atLeast)} ${unit}`;
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** The value below which `share` (0 to 1) of `values` lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
