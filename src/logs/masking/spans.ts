/** A stretch of a text, `[start, end)`. */
export interface Span {
  start: number;
  end: number;
}

/** Collects spans, which come almost in order. */
export class Spans {
  readonly #reach: number;
  readonly #spans: Span[] = [];

  constructor(reach: number) {
    this.#reach = reach;
  }

  add(start: number, end: number): void {
    if (end - start > this.#reach) return;
    const last = this.#spans.at(-1);
    if (last && start >= last.start && start <= last.end) last.end = Math.max(last.end, end);
    else this.#spans.push({ start, end });
  }

  sorted(): Span[] {
    const union: Span[] = [];
    for (const span of this.#spans.sort((a, b) => a.start - b.start)) {
      const last = union.at(-1);
      if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
      else union.push(span);
    }
    return union;
  }
}
