// What a person sees while a script works: one line per step, details only when something failed.

const NAME_WIDTH = 14;
const TAIL_LINES = 25;

/** True when escape codes are welcome on standard output. */
export function usesColour() {
  if (process.env.NO_COLOR) return false;
  if (process.env.FORCE_COLOR && process.env.FORCE_COLOR !== '0') return true;
  return process.stdout.isTTY;
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };

export function paint(style, text) {
  return usesColour() ? `\u001B[${codes[style]}m${text}\u001B[0m` : text;
}

export function say(text = '') {
  process.stdout.write(`${text}\n`);
}

export function formatDuration(ms) {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/**
 * Thrown when a step cannot be done. `log` is the file with everything the step printed, `output` the same as text where the file
 * will not be there any more, `hint` says what to do.
 */
export class StepError extends Error {
  constructor(message, { log, output, hint, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StepError';
    this.log = log;
    this.output = output;
    this.hint = hint;
  }
}

/** Errors whose line `step` has printed. */
const shown = new WeakSet();

/** Thrown when the person (or the system) ended the script by a signal. */
export class Interrupted extends Error {
  constructor(signal) {
    super(`ended by ${signal}`);
    this.name = 'Interrupted';
    this.exitCode = signal === 'SIGTERM' ? 143 : 130;
  }
}

/**
 * Runs `work` and prints one line about it. `work` returns a short text for the line, or `{text, warn: true}` when the
 * step was left out and the person should know.
 */
export async function step(name, work) {
  const started = performance.now();
  const live = process.stdout.isTTY;
  if (live) process.stdout.write(`  ${paint('dim', '…')} ${name}`);
  const clear = live ? '\r\u001B[2K' : '';
  try {
    const outcome = await work();
    const { text = '', warn = false } = typeof outcome === 'string' ? { text: outcome } : (outcome ?? {});
    const mark = warn ? paint('yellow', '!') : paint('green', '✓');
    const elapsed = performance.now() - started;
    const duration = elapsed >= 500 ? paint('dim', `  ${formatDuration(elapsed)}`) : '';
    say(`${clear}  ${mark} ${name.padEnd(NAME_WIDTH)} ${text}${duration}`.trimEnd());
  } catch (error) {
    shown.add(error);
    const text = firstLine(error);
    const said = text.startsWith(`${name} `) ? text.slice(name.length + 1) : text;
    say(`${clear}  ${paint('red', '✗')} ${name.padEnd(NAME_WIDTH)} ${paint('red', said)}`);
    throw error;
  }
}

/** What failed unless its line is there already, the end of its log, the way to all of it, and the hint. */
export function explain(error, readLog, tail = TAIL_LINES) {
  if (!(error instanceof StepError)) return;
  if (!shown.has(error)) {
    say();
    say(`${paint('red', '✗')} ${error.message}`);
  }
  const text = error.output ?? (error.log ? readLog(error.log) : '');
  if (text) {
    const lines = text.trimEnd().split('\n');
    say();
    if (lines.length > tail) {
      say(paint('dim', `    (last ${tail} of ${lines.length} lines${error.log ? `; all of them: ${error.log}` : ''})`));
    }
    for (const line of lines.slice(-tail)) say(`    ${line}`);
  }
  if (error.hint) {
    say();
    say(`  ${error.hint}`);
  }
}

function firstLine(error) {
  return String(error instanceof Error ? error.message : error).split('\n')[0];
}
