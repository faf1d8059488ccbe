import type { V1Pod } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage, needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { openCluster, type TestCluster } from './index.ts';
import { Client } from './support/client.ts';

/** What an API server refuses and how it says so; the same for the stand-in and a real Kubernetes, whose versions differ in few words. */
describe.runIf(needsDocker() && needs('openssl'))('the API', () => {
  let cluster: TestCluster;
  let client: Client;
  let image: string;
  beforeAll(async () => {
    cluster = await openCluster();
    client = new Client(cluster.kubeconfig, cluster.namespace);
    image = await cluster.image(busyboxImage);
  }, 120_000);
  afterAll(() => cluster.close(), 180_000);

  const pod = (name: string, spec: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { restartPolicy: 'Never', containers: [{ name: 'main', image, command: ['true'] }], ...spec },
  });
  const secret = (name: string, rest: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    ...rest,
  });
  const post = (resource: string, body: object) => client.raw('POST', client.path(resource), body);
  const causes = (body: object): unknown =>
    (body as { details: { causes: { field: string; reason: string }[] } }).details.causes.map(
      ({ field, reason }) => `${field} ${reason}`,
    );

  describe('validates', () => {
    it.each([
      ['Bad_Name', 'metadata.name FieldValueInvalid'],
      ['a'.repeat(254), 'metadata.name FieldValueInvalid'],
      ['-leading', 'metadata.name FieldValueInvalid'],
    ])('names: %s', async (name, cause) => {
      const { code, body } = await post('pods', pod(name));
      expect({ code, reason: body.reason }).toEqual({ code: 422, reason: 'Invalid' });
      expect(body.message).toContain(`Pod "${name}" is invalid: metadata.name: Invalid value: "${name}"`);
      expect(causes(body)).toEqual([cause]);
    });

    it.each([
      [{ 'a key': 'x' }, 'name part must consist of alphanumeric characters'],
      [{ ['k'.repeat(64)]: 'x' }, 'name part must be no more than 63 characters'],
      [{ 'A.example/x/y': 'x' }, 'a qualified name must consist of'],
      [{ ok: 'white space' }, 'a valid label must be an empty string or consist of alphanumeric characters'],
      [{ ok: 'v'.repeat(64) }, 'must be no more than 63 characters'],
    ])('labels: %o', async (labels, text) => {
      const { code, body } = await post('secrets', secret('labelled', { metadata: { name: 'labelled', labels } }));
      expect(code).toBe(422);
      expect(body.message).toContain('metadata.labels: Invalid value:');
      expect(body.message).toContain(text);
    });

    it.each<[string, object, string[]]>([
      ['no containers', { containers: [] }, ['spec.containers FieldValueRequired']],
      [
        'a container without an image',
        { containers: [{ name: 'main' }] },
        ['spec.containers[0].image FieldValueRequired'],
      ],
      [
        'two containers of one name',
        { containers: ['a', 'a'].map((name) => ({ name, image: 'x:1' })) },
        ['spec.containers[1].name FieldValueDuplicate'],
      ],
      [
        'a name of a container with capitals',
        { containers: [{ name: 'Main', image: 'x:1' }] },
        ['spec.containers[0].name FieldValueInvalid'],
      ],
      [
        'a mount of no volume',
        { containers: [{ name: 'main', image: 'x:1', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
        ['spec.containers[0].volumeMounts[0].name FieldValueNotFound'],
      ],
      [
        'two mounts at one path',
        {
          volumes: [{ name: 'v', emptyDir: {} }],
          containers: [
            { name: 'main', image: 'x:1', volumeMounts: ['/v', '/v'].map((mountPath) => ({ name: 'v', mountPath })) },
          ],
        },
        ['spec.containers[0].volumeMounts[1].mountPath FieldValueInvalid'],
      ],
      [
        'a variable from a key that cannot be one',
        {
          containers: [
            {
              name: 'main',
              image: 'x:1',
              env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'a/b' } } }],
            },
          ],
        },
        ['spec.containers[0].env[0].valueFrom.secretKeyRef.key FieldValueInvalid'],
      ],
      [
        'a user that is no user',
        { containers: [{ name: 'main', image: 'x:1', securityContext: { runAsUser: -1 } }] },
        ['spec.containers[0].securityContext.runAsUser FieldValueInvalid'],
      ],
      [
        'a request over the limit',
        {
          containers: [{ name: 'main', image: 'x:1', resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }],
        },
        ['spec.containers[0].resources.requests FieldValueInvalid'],
      ],
      ['an unknown restart policy', { restartPolicy: 'Sometimes' }, ['spec.restartPolicy FieldValueNotSupported']],
      [
        'an alias for what is no address',
        { hostAliases: [{ ip: 'localhost', hostnames: ['db'] }] },
        ['spec.hostAliases.ip FieldValueInvalid'],
      ],
      [
        'an alias that is no name',
        { hostAliases: [{ ip: '127.0.0.1', hostnames: ['my_db'] }] },
        ['spec.hostAliases.hostnames FieldValueInvalid'],
      ],
    ])('pods: %s', async (_what, spec, expected) => {
      const { code, body } = await post('pods', pod('wrong', spec));
      expect({ code, causes: code === 422 && causes(body) }).toEqual({ code: 422, causes: expected });
    });

    it.each([
      [
        'a number for text',
        { containers: [{ name: 'main', image: 5 }] },
        /cannot unmarshal number|ReadString: expects/,
      ],
      ['text for a number', { containers: [], activeDeadlineSeconds: 'soon' }, /cannot unmarshal string|readUint64/],
      [
        'what is no quantity',
        { containers: [{ name: 'main', image: 'x:1', resources: { limits: { memory: 'much' } } }] },
        /quantities must match the regular expression/,
      ],
    ])('types: %s', async (_what, spec, text) => {
      const { code, body } = await post('pods', pod('typed', spec));
      expect({ code, reason: body.reason }).toEqual({ code: 400, reason: 'BadRequest' });
      expect(body.message).toMatch(text);
    });

    it('keys, encoding and size of secrets', async () => {
      const bad = await post('secrets', secret('keys', { data: { 'a/b': '' } }));
      expect(causes(bad.body)).toEqual(['data[a/b] FieldValueInvalid']);
      const encoded = await post('secrets', secret('encoded', { data: { a: 'no base64!' } }));
      expect({ code: encoded.code, text: encoded.body.message }).toMatchObject({ code: 400 });
      expect(encoded.body.message).toContain('illegal base64 data at input byte 2');
      const large = await post('secrets', secret('large', { stringData: { a: 'x'.repeat(1024 * 1024 + 1) } }));
      expect(causes(large.body)).toEqual(['data FieldValueTooLong']);
      const login = await post('secrets', secret('login', { type: 'kubernetes.io/dockerconfigjson', data: {} }));
      expect(causes(login.body)).toEqual(['data[.dockerconfigjson] FieldValueRequired']);
    });
  });

  it('keeps an immutable secret as it is, and lets it be deleted', async () => {
    const created = await post('secrets', secret('fixed', { immutable: true, stringData: { a: 'b' } }));
    expect(created.body).toMatchObject({ data: { a: 'Yg==' }, type: 'Opaque' });
    expect(created.body.stringData).toBeUndefined();
    const patch = { data: { a: 'Yw==' } };
    const changed = await client.raw('PATCH', client.path('secrets/fixed'), patch, 'application/merge-patch+json');
    expect(changed.code).toBe(422);
    expect(causes(changed.body)).toEqual(['data FieldValueForbidden']);
    const deleted = await client.raw('DELETE', client.path('secrets/fixed'));
    expect(deleted.body).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'fixed', kind: 'secrets' },
    });
  });

  it('tells what is not there and what is there already', async () => {
    const nothing = await client.raw('GET', client.path('pods/none'));
    expect(nothing.body).toMatchObject({
      kind: 'Status',
      status: 'Failure',
      reason: 'NotFound',
      code: 404,
      message: 'pods "none" not found',
      details: { name: 'none', kind: 'pods' },
    });
    await post('secrets', secret('once'));
    const twice = await post('secrets', secret('once'));
    expect(twice.body).toMatchObject({ code: 409, reason: 'AlreadyExists', message: 'secrets "once" already exists' });
    const elsewhere = await client.raw('POST', '/api/v1/namespaces/nowhere/secrets', secret('lost'));
    expect(elsewhere.body).toMatchObject({ code: 404, message: 'namespaces "nowhere" not found' });
  });

  it('makes a name of generateName', async () => {
    const { body } = await post('secrets', { ...secret(''), metadata: { generateName: 'made-' } });
    expect((body as { metadata: { name: string } }).metadata.name).toMatch(/^made-[a-z0-9]{5}$/);
  });

  it('takes a change for the version it was made for only, and a deletion for the object that is meant', async () => {
    const { body } = await post('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' } });
    const first = body as { metadata: { resourceVersion: string; uid: string } };
    const put = (data: object) => client.raw('PUT', client.path('configmaps/map'), { ...first, data });
    expect((await put({ a: '1' })).code).toBe(200);
    const late = await put({ a: '2' });
    expect(late.body).toMatchObject({ code: 409, reason: 'Conflict' });
    expect(late.body.message).toContain(
      'the object has been modified; please apply your changes to the latest version',
    );
    const preconditions = { uid: '00000000-0000-0000-0000-000000000000' };
    const other = await client.raw('DELETE', client.path('configmaps/map'), { preconditions });
    expect(other.body).toMatchObject({ code: 409, reason: 'Conflict' });
    const meant = await client.raw('DELETE', client.path('configmaps/map'), {
      preconditions: { uid: first.metadata.uid },
    });
    expect(meant.code).toBe(200);
  });

  it('patches: merge, strategic, JSON', async () => {
    const owner = (uid: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name: 'own', uid });
    const { body: own } = await post('configmaps', { metadata: { name: 'own' } });
    const { uid } = (own as { metadata: { uid: string } }).metadata;
    await post('configmaps', {
      metadata: { name: 'patched', ownerReferences: [owner(uid)] },
      data: { a: '1', b: '2' },
    });
    const patch = async (type: string, change: unknown) => {
      const { body } = await client.raw('PATCH', client.path('configmaps/patched'), change, `application/${type}+json`);
      return body;
    };
    expect((await patch('merge-patch', { data: { a: null, c: '3' } })).data).toEqual({ b: '2', c: '3' });
    const merged = await patch('strategic-merge-patch', {
      metadata: { ownerReferences: [{ ...owner(uid), controller: true }] },
    });
    expect(merged.metadata).toMatchObject({ ownerReferences: [{ uid, controller: true }] });
    expect((await patch('json-patch', [{ op: 'replace', path: '/data/c', value: '4' }])).data).toEqual({
      b: '2',
      c: '4',
    });
  });

  it('selects by labels and fields, in parts if asked', async () => {
    for (const [name, labels] of Object.entries({
      's-a': { app: 'x', tier: 'one' },
      's-b': { app: 'x', tier: 'two' },
      's-c': { app: 'y' },
    })) {
      await post('secrets', secret(name, { metadata: { name, labels } }));
    }
    const names = async (query: Record<string, string>) => {
      const path = client.path(`secrets?${new URLSearchParams(query).toString()}`);
      const { body } = await client.raw('GET', path);
      return {
        names: (body.items as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name),
        rest: (body.metadata as { continue?: string }).continue ?? '',
      };
    };
    expect((await names({ labelSelector: 'app=x' })).names).toEqual(['s-a', 's-b']);
    expect((await names({ labelSelector: 'app=x,tier!=one' })).names).toEqual(['s-b']);
    expect((await names({ labelSelector: 'app in (x,y),!tier' })).names).toEqual(['s-c']);
    expect((await names({ labelSelector: 'app notin (x),app' })).names).toEqual(['s-c']);
    expect((await names({ fieldSelector: 'metadata.name=s-b' })).names).toEqual(['s-b']);
    const first = await names({ labelSelector: 'app', limit: '2' });
    expect(first.names).toEqual(['s-a', 's-b']);
    expect(await names({ labelSelector: 'app', limit: '2', continue: first.rest })).toEqual({
      names: ['s-c'],
      rest: '',
    });
    const wrong = await client.raw('GET', client.path('secrets?fieldSelector=data.a%3Db'));
    expect(wrong.code).toBe(400);
    await client.raw('DELETE', client.path('secrets?labelSelector=app%3Dx'));
    expect((await names({ labelSelector: 'app' })).names).toEqual(['s-c']);
  });

  it('removes what belongs to an owner with the owner', async () => {
    const { body } = await post('configmaps', { metadata: { name: 'owner' } });
    const { uid } = (body as { metadata: { uid: string } }).metadata;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }];
    await post('secrets', secret('owned', { metadata: { name: 'owned', ownerReferences } }));
    await client.raw('DELETE', client.path('configmaps/owner'));
    const gone = await client.eventually(async () => {
      const { code } = await client.raw('GET', client.path('secrets/owned'));
      return code === 404 ? true : undefined;
    });
    expect(gone).toBe(true);
  });

  it('refuses what an account may not do, and says so to the account that asks', async () => {
    const { kubeconfig, user } = await cluster.account([
      { verbs: ['get'], resources: ['pods'] },
      { verbs: ['create'], resources: ['pods/exec'] },
      { verbs: ['get', 'delete'], resources: ['secrets'], resourceNames: ['mine'] },
    ]);
    const limited = new Client(kubeconfig, cluster.namespace);
    const refusal = async (method: string, path: string, body?: object) =>
      (await limited.raw(method, limited.path(path), body)).body;
    const where = `in API group "" in the namespace "${cluster.namespace}"`;
    expect(await refusal('GET', 'pods')).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: `pods is forbidden: User "${user}" cannot list resource "pods" ${where}`,
      details: { kind: 'pods' },
    });
    expect(await refusal('POST', 'pods', pod('x'))).toMatchObject({
      message: `pods is forbidden: User "${user}" cannot create resource "pods" ${where}`,
    });
    expect(await refusal('GET', 'pods/x/log')).toMatchObject({
      message: `pods "x" is forbidden: User "${user}" cannot get resource "pods/log" ${where}`,
    });
    // A WebSocket begins with GET.
    expect(await refusal('GET', 'pods/x/exec?command=true&stdout=1')).toMatchObject({
      message: `pods "x" is forbidden: User "${user}" cannot get resource "pods/exec" ${where}`,
    });
    expect(await refusal('GET', 'pods/x')).toMatchObject({ reason: 'NotFound' });
    expect(await refusal('GET', 'secrets/mine')).toMatchObject({ reason: 'NotFound' });
    expect(await refusal('GET', 'secrets/other')).toMatchObject({ reason: 'Forbidden' });
    const elsewhere = await limited.raw('GET', '/api/v1/namespaces/default/pods/x');
    expect(elsewhere.body).toMatchObject({ reason: 'Forbidden' });
    const review = async (attributes: object) => {
      const { body } = await limited.raw('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { namespace: cluster.namespace, ...attributes } },
      });
      return (body.status as { allowed: boolean }).allowed;
    };
    expect(await review({ verb: 'get', resource: 'pods' })).toBe(true);
    expect(await review({ verb: 'create', resource: 'pods', subresource: 'exec' })).toBe(true);
    expect(await review({ verb: 'delete', resource: 'pods' })).toBe(false);
  });

  it('does not know a wrong token', async () => {
    const { kubeconfig } = await cluster.account([]);
    const wrong = new Client(kubeconfig, cluster.namespace);
    const current = wrong.config.getCurrentUser();
    wrong.config.users = [{ name: current?.name ?? '', token: 'wrong' }];
    const { code, body } = await wrong.raw('GET', wrong.path('pods'));
    expect(code).toBe(401);
    expect(body).toMatchObject({ kind: 'Status', reason: 'Unauthorized', message: 'Unauthorized' });
  });

  it('fills in what a pod leaves open', async () => {
    const { body } = await post(
      'pods',
      pod('defaults', { containers: [{ name: 'main', image: 'x/y' }], nodeSelector: { no: 'where' } }),
    );
    const made = body as V1Pod;
    expect(made.spec).toMatchObject({
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 30,
      serviceAccountName: 'default',
      dnsPolicy: 'ClusterFirst',
    });
    expect(made.spec?.containers[0]).toMatchObject({ imagePullPolicy: 'Always', resources: {} });
    expect(made.status).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort' });
    const change = { spec: { containers: [{ name: 'main', command: ['other'] }] } };
    const type = 'application/strategic-merge-patch+json';
    const changed = await client.raw('PATCH', client.path('pods/defaults'), change, type);
    expect(changed.code).toBe(422);
    expect(changed.body.message).toContain('pod updates may not change fields other than');
    await client.raw('DELETE', client.path('pods/defaults'));
  });
});
