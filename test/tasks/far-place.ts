import type { CaptureResult, ProcessResult } from '../../src/execution/index.ts';
import type { Step, TaskHost, TaskPlace } from '../../src/tasks/index.ts';
import { testTaskHost } from '../support/task-host.ts';

/**
 * A place that is not on this machine: nothing in it has a path that is here, its files are in memory, and its processes are not
 * run but noted. So whatever a task does with this machine instead of its place fails.
 */
export interface FarPlace {
  open: (job: unknown, host: TaskHost) => Promise<TaskPlace>;
  host: TaskHost;
  /** The steps that the place was asked to run or to capture. */
  steps: Step[];
  /** By path: files, and what pipes give. */
  files: Map<string, string>;
  pipes: Map<string, string>;
  /** Comments of the keys of each agent, by socket. */
  agents: Map<string, string[]>;
  closed: () => number;
}

export interface FarPlaceOptions {
  /** Files of the place, from the beginning. */
  files: Readonly<Record<string, string>>;
  /** What a step comes to; it may write files of the place. @default success */
  onStep?: (step: Step, files: Map<string, string>) => Partial<CaptureResult> | undefined;
}

const success: ProcessResult = { kind: 'exited', code: 0 };

export async function farPlace({ files: given, onStep = () => undefined }: FarPlaceOptions): Promise<FarPlace> {
  const { host } = await testTaskHost();
  const files = new Map(Object.entries(given));
  const pipes = new Map<string, string>();
  const agents = new Map<string, string[]>();
  const steps: Step[] = [];
  let closed = 0;
  const perform = (step: Step): CaptureResult => {
    steps.push(step);
    return { result: success, stdout: '', stderr: '', ...onStep(step, files) };
  };
  const there = (outer: TaskHost): TaskHost => ({
    ...outer,
    run: (step) => Promise.resolve(perform(step).result),
    capture: (step) => Promise.resolve(perform(step)),
    assist: () => Promise.reject(new Error('nothing is run on this machine')),
    tail: () => Promise.resolve(''),
    once: (key, work) => outer.once(key, (inner) => work(there(inner))),
  });
  const isDirectory = (path: string): boolean => [...files.keys()].some((name) => name.startsWith(`${path}/`));
  const open = (_job: unknown, outer: TaskHost): Promise<TaskPlace> =>
    Promise.resolve({
      host: there(outer),
      files: {
        kindOf: (path) => Promise.resolve(files.has(path) ? 'file' : isDirectory(path) ? 'directory' : undefined),
        read: (path) => Promise.resolve(bytesOf(files.get(path))),
        readOwn: (path) => Promise.resolve(bytesOf(files.get(path))),
        write: (path, content) => Promise.resolve(void files.set(path, content.toString())),
        remove: (path) => Promise.resolve(void files.delete(path)),
        list: (path) => Promise.resolve(namesIn(files, path)),
        realPath: (path) => Promise.resolve(path),
        which: (command) => Promise.resolve({ path: `/image/bin/${command}`, version: 'image 1' }),
      },
      baseEnv: { PATH: '/image/bin', HOME: '/workspace' },
      ssh: { configPath: '/secrets/administrator-config', knownHostsFile: undefined, strictHostKeyChecking: 'no' },
      toolsAt: 'in the image',
      privateDirectory: '/secrets',
      writePrivate: (name, content) => {
        files.set(`/secrets/${name}`, content);
        return Promise.resolve(`/secrets/${name}`);
      },
      takeHome: () => Promise.resolve({ home: '/workspace/home', internal: '/workspace/internal' }),
      handOver: (handOvers) => {
        for (const { content, path } of handOvers) pipes.set(path, content);
        return Promise.resolve();
      },
      startAgent: (name, keys) => {
        const socket = `/secrets/${name}.sock`;
        agents.set(
          socket,
          keys.map(({ comment }) => comment),
        );
        return Promise.resolve(socket);
      },
      socketDirectory: (name) => Promise.resolve(`/secrets/${name}`),
      checkOut: ({ name }) =>
        Promise.resolve({
          kind: 'done',
          directory: name.includes('inventory') ? '/workspace/inventory' : '/workspace/repo',
          commit: { hash: 'a'.repeat(40), message: 'there' },
        }),
      localTree: (path) => Promise.resolve(path === '/of/the/runner' ? '/workspace/repo' : undefined),
      close: () => {
        closed += 1;
        return Promise.resolve();
      },
    });
  return { open, host, steps, files, pipes, agents, closed: () => closed };
}

function bytesOf(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text);
}

function namesIn(files: ReadonlyMap<string, string>, path: string): string[] {
  return [...files.keys()]
    .filter((name) => name.startsWith(`${path}/`))
    .map((name) => name.slice(path.length + 1))
    .filter((name) => !name.includes('/'));
}
