import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';
import { tempDir } from '../support/temp-dir.ts';

/** A server that is away while a task has much to say: the log waits on the disk, not in memory, and no tool waits for it. */

const megabytes = 500;
/** Node.js itself takes about 70. */
const mostResident = 200;

const files = {
  'flood.sh': [
    // Lines of 1023 characters and their ends.
    `yes "$(head -c 1023 /dev/zero | tr '\\0' x)" | head -c $((${megabytes} * 1024 * 1024))`,
    'echo written >> "$OUTPUT_DIRECTORY/written"',
    'until [ -e "$OUTPUT_DIRECTORY/go" ]; do sleep 0.05; done',
    'echo "the end"',
  ].join('\n'),
};

/** The most memory that a process has ever held, MB. */
function mostMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
}

describe('a server that is away', () => {
  it(`while a task writes ${megabytes} MB costs the runner no memory, and the task does not wait for it`, async () => {
    const templates = [{ id: 1, name: 'Flood', app: 'bash', playbook: 'flood.sh', repository: 'main' }];
    const stateDir = join(tempDir(), 'state');
    const world = await createWorld({ files, project: { templates }, runner: { state_dir: stateDir } });
    const server = await world.startServer();
    const runner = world.startRunner();
    await expect.poll(() => runner.output(), { timeout: 30_000 }).toContain('Runner connected');
    const id = await world.api.startTask(1);
    const log = join(stateDir, 'jobs', String(id), 'output.log');
    await expect.poll(() => existsSync(log), { timeout: 30_000 }).toBe(true);
    server.child.kill('SIGKILL');
    await world.end(server);
    // The tool comes to its end of it although nobody takes what it writes.
    await expect.poll(() => existsSync(join(world.output, 'written')), { timeout: 120_000 }).toBe(true);
    await expect.poll(() => statSync(log).size, { timeout: 30_000 }).toBeGreaterThan(megabytes * 1024 * 1024);
    expect(mostMemory(runner.pid)).toBeLessThan(mostResident);

    // Nor does catching up take more.
    await world.startServer();
    writeFileSync(join(world.output, 'go'), '');
    expect((await world.api.waitUntilFinished(id, 150_000)).status).toBe('success');
    expect(mostMemory(runner.pid)).toBeLessThan(mostResident);
    await expect.poll(() => existsSync(log), { timeout: 30_000 }).toBe(false);
  });
});
