import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readKeychain } from '../../src/secrets/keychain.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('a keychain', () => {
  it('behind a bus that never answers is given up', async () => {
    const path = join(tempDir(), 'bus');
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      vi.unstubAllEnvs();
    });
    vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', `unix:path=${path}`);
    await expect(readKeychain('any', 1500)).rejects.toMatchObject({
      name: 'UserError',
      message: 'the keychain cannot be used: it gives no answer',
      hint: expect.stringContaining('runner.token_store "file"') as string,
    });
    expect(sockets.length).toBe(1);
  });
});
