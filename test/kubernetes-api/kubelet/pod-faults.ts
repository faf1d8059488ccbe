import type { Lift } from '../api/faults.ts';
import type { Pod } from '../objects/types.ts';

interface Hold {
  pod: string | undefined;
  released: Promise<void>;
  release: () => void;
}

/** What goes wrong with pods on request of a test. Without a pod's name it is about all of them. */
export class PodFaults {
  #starts: Hold[] = [];
  #deletions: Hold[] = [];
  #unschedulable: { pod: string | undefined; message: string }[] = [];

  /** Keeps pods in Pending (their containers in ContainerCreating) until lifted. */
  holdStart(pod?: string): Lift {
    return hold(this.#starts, pod);
  }

  /** Keeps pods that are to be deleted as they are, as if their node had gone silent, until lifted. */
  holdDeletion(pod?: string): Lift {
    return hold(this.#deletions, pod);
  }

  /** No node takes the pods, until lifted. */
  refuseScheduling(message: string, pod?: string): Lift {
    const fault = { pod, message };
    this.#unschedulable.push(fault);
    return () => {
      this.#unschedulable = this.#unschedulable.filter((other) => other !== fault);
    };
  }

  liftAll(): void {
    for (const { release } of [...this.#starts, ...this.#deletions]) release();
  }

  async beforeStart(pod: Pod): Promise<void> {
    await Promise.all(this.#starts.filter((fault) => isFor(fault, pod)).map(({ released }) => released));
  }

  async beforeDeletion(pod: Pod): Promise<void> {
    await Promise.all(this.#deletions.filter((fault) => isFor(fault, pod)).map(({ released }) => released));
  }

  unschedulable(pod: Pod): string | undefined {
    return this.#unschedulable.find((fault) => isFor(fault, pod))?.message;
  }
}

function isFor({ pod }: { pod: string | undefined }, { metadata }: Pod): boolean {
  return pod === undefined || pod === metadata.name;
}

function hold(list: Hold[], pod: string | undefined): Lift {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const fault: Hold = { pod, released, release };
  list.push(fault);
  return () => {
    if (list.includes(fault)) list.splice(list.indexOf(fault), 1);
    release();
  };
}
