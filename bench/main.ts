import { agentLogs } from './agent-logs.ts';
import { agent } from './agent.ts';
import { idle } from './idle.ts';
import { logs } from './logs.ts';
import { masking } from './masking.ts';
import { pickup } from './pickup.ts';
import { session, sessionWorker } from './session.ts';
import { startup } from './startup.ts';
import { printTable, type Figure } from './table.ts';
import { throughput } from './tasks.ts';
import { wire } from './wire.ts';

const suites: Readonly<Record<string, () => Figure[] | Promise<Figure[]>>> = {
  startup,
  pickup,
  tasks: throughput,
  logs,
  masking,
  wire,
  session,
  'agent-logs': agentLogs,
  agent,
  idle,
};

// Ends the process.
if (process.argv[2] === 'session-worker') await sessionWorker(process.argv[3] ?? '');

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in suites));
if (unknown.length > 0) {
  console.error(`There is no suite ${unknown.join(', ')}. Suites: ${Object.keys(suites).join(', ')}.`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const [name, suite] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`measuring ${name} …`);
  figures.push(...(await suite()));
}
console.log(`\nNode.js ${process.version}, ${process.platform} ${process.arch}`);
const missed = printTable(figures);
console.log(missed.length === 0 ? '\nEvery goal is met.' : `\nMissed: ${missed.join('; ')}.`);
