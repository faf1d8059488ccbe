#!/usr/bin/env node
// `npm run demo`: a server, a runner, an Ansible playbook and a Bash script from a git repository, live, on this machine; and nothing
// of it left afterwards.
import { runScript, setUp } from './setup.mjs';
import { Interrupted, paint, say, step, StepError } from './setup/console.mjs';
import { Client } from './demo/client.mjs';
import { Processes } from './demo/processes.mjs';
import { printLogs, printNextSteps, printResults, taskPrinter } from './demo/screen.mjs';
import { buildStage } from './demo/stage.mjs';

const PROJECT = 1;
const templates = [
  { template: 1, label: 'ansible', name: 'Deploy the greeting', colour: 'cyan', tool: 'ansible-playbook' },
  { template: 2, label: 'bash', name: 'Back up the database', colour: 'magenta', tool: 'bash' },
];

await runScript(async () => {
  const { missing } = await setUp({ tools: ['git', 'bash', 'ansible-playbook'] });
  if (missing.includes('git')) throw new StepError('the demo makes a git repository, and git is missing');
  const runnable = templates.filter(({ tool }) => !missing.includes(tool));
  if (runnable.length === 0) throw new StepError('neither ansible-playbook nor bash is here: there is nothing to show');

  const interrupted = watchSignals();
  const stage = await buildStage();
  const processes = new Processes(stage);
  const check = () => processes.check();
  const client = new Client({ url: stage.url, token: stage.secrets.DEMO_API_TOKEN, check });
  let finished = false;
  try {
    const results = await Promise.race([play({ stage, processes, client, runnable }), interrupted]);
    finished = true;
    printResults(results);
    const succeeded = results.every(({ task }) => task.status === 'success');
    if (!succeeded) printLogs(processes.logs());
    return succeeded ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Interrupted)) printLogs(processes.logs());
    throw error;
  } finally {
    client.close();
    await processes.stop({ now: !finished });
    await stage.remove();
    if (finished) {
      reportLeftOut(runnable);
      printNextSteps();
    }
  }
});

async function play({ stage, processes, client, runnable }) {
  say(paint('bold', 'Demo'));
  await step('repository', async () => `2 files, commit ${stage.commit}`);
  await step('server', async () => {
    processes.start('server', ['server', '--config', stage.serverFile]);
    await client.waitUntilReady();
    return stage.url;
  });
  await step('runner', async () => {
    const register = ['runner', 'register', '--stdin-registration-token', '--config', stage.runnerFile];
    await processes.run('registration', register, `${stage.secrets.DEMO_REGISTRATION_TOKEN}\n`);
    processes.start('runner', ['runner', 'start', '--config', stage.runnerFile]);
    return 'registered and started';
  });
  say();

  say(paint('bold', 'Log'));
  await client.connect();
  const early = [];
  let print = (event) => early.push(event);
  client.onEvent((event) => print(event));
  const tasks = [];
  for (const entry of runnable) {
    const { id } = await client.request('POST', `/project/${PROJECT}/tasks`, {
      template_id: entry.template,
      message: 'from the demo',
    });
    tasks.push({ ...entry, id });
  }
  print = taskPrinter(tasks);
  for (const event of early) print(event);
  return Promise.all(tasks.map(async (entry) => ({ ...entry, task: await client.waitForTask(PROJECT, entry.id) })));
}

function reportLeftOut(runnable) {
  for (const { label, name, tool } of templates.filter((entry) => !runnable.includes(entry))) {
    say(
      `  ${paint('yellow', '!')} ${label.padEnd(8)} ${paint('yellow', `NOT RUN: ${name}, because ${tool} is not installed`)}`,
    );
  }
}

/** A promise that rejects with Interrupted when somebody wants the demo to end. */
function watchSignals() {
  const interrupted = new Promise((_, reject) => {
    // Never taken off: a second Ctrl-C must not cut the clean-up short.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => reject(new Interrupted(signal)));
  });
  interrupted.catch(() => {}); // The signal may come before anybody waits.
  return interrupted;
}
