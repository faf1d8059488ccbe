import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KubernetesClient, openKubernetes } from '../../src/executors/kubernetes/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { type KubernetesApi, startKubernetesApi } from '../kubernetes-api/index.ts';
import { needsDocker } from '../support/docker/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

interface Renewed {
  client: KubernetesClient;
  path: string;
  write: (token: string) => void;
  /** Lets time pass. */
  later: (ms: number) => void;
}

/** Tokens that somebody renews in a file, beside a kubeconfig or in a pod. */
describe.runIf(needsDocker() && needs('openssl'))('a token in a file', () => {
  let api: KubernetesApi;
  const namespace = 'default';
  beforeAll(async () => {
    api = await startKubernetesApi();
  }, 60_000);
  afterAll(() => api?.close(), 120_000);

  /** A token that is accepted, of an account that sees its effect: it may list pods, or nothing. */
  const token = (mayList = true): string =>
    api.account({
      user: `user-${crypto.randomUUID()}`,
      rules: mayList ? [{ apiGroups: [''], resources: ['pods', 'pods/exec'], verbs: ['*'] }] : [],
    }).token;

  const open = async (first: string | undefined, user: object = {}): Promise<Renewed> => {
    const directory = tempDir();
    const path = join(directory, 'tokens', 'current');
    const config = JSON.parse(readFileSync(api.kubeconfig, 'utf8')) as { users: object[] };
    config.users = [{ name: 'test', user: { tokenFile: 'tokens/current', ...user } }];
    const kubeconfig = join(directory, 'config');
    writeFileSync(kubeconfig, JSON.stringify(config));
    const write = (text: string): void => {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    };
    if (first !== undefined) write(`${first}\n`);
    let passed = 0;
    const clock = { ...systemClock, now: () => passed };
    const client = await openKubernetes({ env: {}, kubeconfig, clock });
    return { client, path, write, later: (ms) => void (passed += ms) };
  };

  const execIn = (client: KubernetesClient) =>
    client.exec({ pod: 'none', container: 'main', argv: ['true'], onStdout: () => undefined });

  it('is found beside the kubeconfig, and read again when it is older than a minute', async () => {
    const { client, write, later } = await open(token());
    expect(await client.listPods('a=b')).toEqual([]);
    write(token(false));
    later(59_000);
    expect(await client.listPods('a=b')).toEqual([]);
    later(2000);
    await expect(client.listPods('a=b')).rejects.toMatchObject({ status: 403 });
  });

  it('is read again after the API has not accepted it, whatever was asked', async () => {
    const requests: [string, (client: KubernetesClient) => Promise<unknown>][] = [
      ['a list', (client) => client.listPods('a=b')],
      ['an exec', execIn],
    ];
    for (const [what, ask] of requests) {
      const old = token();
      const { client, write } = await open(old);
      expect(await client.listPods('a=b')).toEqual([]);
      api.faults.expireToken(old);
      write(token());
      await expect(ask(client), what).rejects.toMatchObject({ status: 401 });
      expect(await client.listPods('a=b'), what).toEqual([]);
    }
  });

  it('of a service account is read again after that, too', async () => {
    const account = api.account({ namespace });
    const { environment: env, serviceAccount: serviceAccountDirectory } = api.inCluster(account, namespace);
    const client = await openKubernetes({ env, serviceAccountDirectory, clock: systemClock });
    expect(await client.listPods('a=b')).toEqual([]);
    api.faults.expireToken(account.token);
    writeFileSync(join(serviceAccountDirectory, 'token'), token());
    await expect(client.listPods('a=b')).rejects.toMatchObject({ status: 401 });
    expect(await client.listPods('a=b')).toEqual([]);
  });

  it.each([
    ['is not there', undefined, /ENOENT/],
    ['is empty', ' \n', /it is empty$/],
  ])('that %s is named', async (_, content, reason) => {
    const { client, path } = await open(content);
    const error = await client.listPods('a=b').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining(`the token file ${path} cannot be used: `) as string,
      hint: expect.stringMatching(/^They are configured in .*config \(context test\)\.$/) as string,
    });
    expect((error as Error).message).toMatch(reason);
    await expect(execIn(client)).rejects.toThrow(path);
  });

  it('that goes away counts on until the API does not accept it', async () => {
    const known = token();
    const { client, path, later } = await open(known);
    expect(await client.listPods('a=b')).toEqual([]);
    rmSync(path);
    later(61_000);
    expect(await client.listPods('a=b')).toEqual([]);
    api.faults.expireToken(known);
    await expect(client.listPods('a=b')).rejects.toMatchObject({ status: 401 });
    await expect(client.listPods('a=b')).rejects.toThrow(`the token file ${path} cannot be used`);
  });

  it('wins over the token beside it, which counts while there is no file', async () => {
    const { client, write } = await open(undefined, { token: token() });
    expect(await client.listPods('a=b')).toEqual([]);
    write(token(false));
    await expect(client.listPods('a=b')).rejects.toMatchObject({ status: 403 });
  });
});
