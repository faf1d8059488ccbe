import { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { json, noContent, RefusedRequest, type RequestContext, type Router, text } from '../../http/index.ts';
import { decodeNewTask, decodeStop, encodeOutputLine, encodeTask, isFinished } from '../../protocol/ui/index.ts';
import { userOf } from '../access.ts';
import type { TaskRecord } from '../store/records.ts';
import { decodeLine, textOf } from '../store/log-lines.ts';
import { TaskControl } from '../tasks/control.ts';
import { viewTask } from '../tasks/view.ts';
import { idIn, known, projectOf, type RestParts } from './parts.ts';

const lastCount = 200;

/** Tasks: started, watched and stopped here. */
export function addTasks(router: Router, parts: RestParts): void {
  const { core, board, starter } = parts;
  const control = new TaskControl(core, board);
  const base = '/api/project/:pid/tasks';

  const tasksOf = (context: RequestContext, count = Number.POSITIVE_INFINITY): object[] => {
    const project = projectOf(core, context);
    const newest = [...core.store.tasks()].filter(({ projectId }) => projectId === project.id).reverse();
    return newest.slice(0, count).map((task) => encodeTask(viewTask(task)));
  };
  const taskOf = (context: RequestContext): TaskRecord => {
    const project = projectOf(core, context);
    const id = idIn(context, 'id');
    const task = core.store.task(id);
    return known(task?.projectId === project.id ? task : undefined, 'task', id);
  };

  router.route('GET', base, (context) => json(tasksOf(context)));
  router.route('GET', `${base}/last`, (context) => json(tasksOf(context, lastCount)));
  router.route('POST', base, async (context) => {
    const project = projectOf(core, context);
    const wanted = decodeNewTask(await context.body(), (id) => {
      const template = core.catalog.templates.get(id);
      return template?.projectId === project.id ? template.app : undefined;
    });
    const userName = userOf(parts.access(), context)?.name ?? '';
    const task = await starter.start(project.id, wanted, { userName });
    return json(encodeTask(viewTask(core.store.task(task.id) ?? task)), 201);
  });
  router.route('GET', `${base}/:id`, (context) => json(encodeTask(viewTask(taskOf(context)))));
  router.route('DELETE', `${base}/:id`, async (context) => {
    const task = taskOf(context);
    if (!isFinished(task.status))
      throw new RefusedRequest(400, `Task ${task.id} is ${task.status}; stop it before removing it`);
    await board.remove(task.id);
    return noContent();
  });
  router.route('GET', `${base}/:id/output`, (context) => {
    const { id } = taskOf(context);
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: Readable.from(jsonLines(id, core.logs.read(id))),
    };
  });
  router.route('GET', `${base}/:id/raw_output`, (context) =>
    text(Readable.from(plainLines(core.logs.read(taskOf(context).id)))),
  );
  router.route('POST', `${base}/:id/stop`, async (context) => {
    const task = taskOf(context);
    control.stop(task, decodeStop(await context.body()));
    return noContent();
  });
  router.route('POST', `${base}/:id/confirm`, (context) => {
    control.confirm(taskOf(context));
    return noContent();
  });
  router.route('POST', `${base}/:id/reject`, (context) => {
    control.reject(taskOf(context));
    return noContent();
  });
}

type Batches = AsyncIterable<readonly string[]>;

async function* jsonLines(taskId: number, batches: Batches): AsyncGenerator<string> {
  let separator = '[';
  for await (const batch of batches) {
    yield separator + batch.map((line) => encodeOutputLine(taskId, decodeLine(line))).join(',');
    separator = ',';
  }
  yield separator === '[' ? '[]' : ']';
}

async function* plainLines(batches: Batches): AsyncGenerator<string> {
  for await (const batch of batches) {
    const lines = `${batch.map(textOf).join('\n')}\n`;
    // Most logs have no colours, and looking for them thoroughly is what takes the time.
    yield lines.includes('\u001b') || lines.includes('\u009b') ? stripVTControlCharacters(lines) : lines;
  }
}
