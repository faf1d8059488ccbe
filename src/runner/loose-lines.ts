/** The last lines of a task that could not be written to its log, if there is one at all; they are reported after it. */
export class LooseLines {
  #lines: readonly string[] = [];
  #ms = 0;

  set(lines: readonly string[], ms: number): void {
    this.#lines = lines;
    this.#ms = ms;
  }

  /**
   * The same records whenever they are sent, as part of a list: those before them in it end at `endMs`, and there are `before` of them.
   */
  records(mask: (line: string) => string, before: number, endMs: number): string {
    const first = Math.max(this.#ms, endMs + 1);
    const records = this.#lines.map((line, index) =>
      JSON.stringify({ time: new Date(first + index).toISOString(), message: mask(line) }),
    );
    return records.length > 0 && before > 0 ? `,${records.join(',')}` : records.join(',');
  }
}
