/** Thrown when a container cannot be started now; it waits with this reason and is tried again. */
export class Waiting extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
