import util from 'node:util';
import { formatDuration, paint, say, usesColour } from '../setup/console.mjs';

const WIDTH = 8;

/** Prints the log of several tasks as it comes, each line behind the name of its task. */
export function taskPrinter(tasks) {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  return ({ type, task_id: id, output }) => {
    const task = byId.get(id);
    if (!task || type !== 'log') return;
    const text = usesColour() ? output : util.stripVTControlCharacters(output);
    say(`${paint(task.colour, `${task.label.padEnd(WIDTH)} │`)} ${text}`.trimEnd());
  };
}

/** One line per task: what became of it, how long it took, which commit it ran. */
export function printResults(results) {
  say();
  say(paint('bold', 'Results'));
  for (const { label, name, task } of results) {
    const mark = task.status === 'success' ? paint('green', '✓') : paint('red', '✗');
    const took = formatDuration(Date.parse(task.end) - Date.parse(task.start));
    const commit = task.commit_hash ? `, commit ${task.commit_hash.slice(0, 7)}` : '';
    say(`  ${mark} ${label.padEnd(WIDTH)} ${task.status.padEnd(8)} ${name}, ${took}${commit}`);
  }
}

/** The end of what server and runner said, when something went wrong. */
export function printLogs(logs) {
  for (const { name, text } of logs) {
    say();
    say(paint('bold', `Log of the ${name}`));
    for (const line of text.trimEnd().split('\n').slice(-15)) say(`  ${line}`);
  }
}

export function printNextSteps() {
  say();
  say(paint('bold', 'Where to go next'));
  say('  A runner for your own Semaphore UI server   ./bin/semaphore runner setup');
  say('  A server like the one of this demo          ./bin/semaphore server --config server.example.yaml');
  say('  Every command and flag                      ./bin/semaphore --help');
  say('  What the demo ran                           demo/server.yaml, demo/repository/');
  say('  Documentation                               README.md, docs/');
}
