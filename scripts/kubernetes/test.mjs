#!/usr/bin/env node
// `npm run test:kubernetes`: the tests of Kubernetes against a real one of one node on this machine, which is built from Debian's source
// package at the first time. Root on Debian, with a Docker engine. `docs/testing-kubernetes.md` says more. `-- --keep` leaves it running
// until Ctrl-C, for a look with kubectl; other arguments are test files.
import { once } from 'node:events';
import { runScript, setUp, testTools } from '../setup.mjs';
import { Interrupted, say, step, StepError } from '../setup/console.mjs';
import { openContainers } from '../setup/containers.mjs';
import { summarise } from '../setup/summary.mjs';
import { findTool } from '../setup/tools.mjs';
import { runVitest } from '../setup/vitest.mjs';
import { ensureBinaries } from './binaries.mjs';
import { startCluster } from './cluster.mjs';

/** Tests that hold for the stand-in and for a real cluster. */
const tests = ['test/kubernetes-api', 'test/executors/kubernetes', 'test/e2e/kubernetes', 'test/deploy/kubernetes'];

const keep = process.argv.includes('--keep');
const files = process.argv.slice(2).filter((argument) => argument !== '--keep');

await runScript(async () => {
  const { missing } = await setUp({ tools: [...testTools, 'go', 'etcd', 'dpkg-source'] });
  if (missing.length > 0) throw new StepError(`a real Kubernetes needs ${missing.join(', ')}`);
  const containers = await openContainers();
  const rows = [];
  let cluster;
  try {
    await containers.ready();
    let bin;
    await step('programs', async () => {
      bin = await ensureBinaries();
      return bin;
    });
    const signal = interruption();
    await step('cluster', async () => {
      cluster = await startCluster({ bin, etcd: findTool('etcd'), kubectl: findTool('kubectl'), signal });
      return `Kubernetes ${cluster.version}, logs in ${cluster.directory}`;
    });
    signal.throwIfAborted();
    if (keep) {
      say(`export KUBECONFIG=${cluster.kubeconfig}`);
      await once(signal, 'abort');
    } else {
      const env = { SEMAPHORE_TEST_KUBECONFIG: cluster.kubeconfig };
      const title = `Tests on Kubernetes ${cluster.version}`;
      rows.push({ name: title, ...(await runVitest({ title, files: files.length > 0 ? files : tests, env })) });
    }
  } finally {
    try {
      await cluster?.close();
    } finally {
      await containers.close();
    }
  }
  return keep ? 0 : summarise(rows);
});

/** From now on a signal does not end this program, which would leave the cluster: not a second one, nor one at the wrong moment. */
function interruption() {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => controller.abort(new Interrupted(name)));
  return controller.signal;
}
