/** The few colours of the view; as it is without colour. */
export interface Ink {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  /** Ends whatever colour a command has left the terminal in. */
  reset: string;
}

export function createInk(colour: boolean): Ink {
  const style = (code: number) => (text: string) => (colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  return {
    bold: style(1),
    dim: style(2),
    green: style(32),
    red: style(31),
    yellow: style(33),
    reset: colour ? '\u001B[0m' : '',
  };
}
