import type { TaskHost } from '../../tasks/index.ts';
import type { Beginning } from './types.ts';

/** What makes a host of the task; see `RecordedHostOptions`. */
export type MakeHost = (options: { resumed: boolean; atEnd: boolean; onLive: () => void }) => TaskHost;

/** Whether a task that is played again has come to where it was. */
export class Replay {
  readonly host: TaskHost;
  readonly #make: MakeHost;
  #isLive: boolean;
  #atEnd: TaskHost | undefined;

  constructor(beginning: Beginning, make: MakeHost, onLive: () => void = () => undefined) {
    this.#make = make;
    this.#isLive = beginning !== 'play';
    this.host = make({
      resumed: beginning !== 'new',
      atEnd: beginning === 'end',
      onLive: () => {
        this.#isLive = true;
        onLive();
      },
    });
  }

  /** A line after all others: for a task that has not come far enough, the host takes it for one that was said before. */
  sayLast(line: string): void {
    if (!this.#isLive) this.#atEnd ??= this.#make({ resumed: true, atEnd: true, onLive: () => undefined });
    (this.#atEnd ?? this.host).log(line);
  }
}
