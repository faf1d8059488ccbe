import { describe, expect, it } from 'vitest';
import { resolveCredential } from '../../../src/executors/registry-credentials/index.ts';
import { base64 } from '../../agent/job-setup.ts';
import { credential } from './support.ts';

const keyFile = '/tmp/gcr/keyfile.json';

describe('a credential for images', () => {
  it.each([
    [
      { DOCKER_CREDENTIAL_TYPE: 'DockerHub', DOCKERHUB_USERNAME: 'ann', DOCKERHUB_PASSWORD: 'pw\n' },
      { username: 'ann', password: 'pw\n' },
    ],
    [
      {
        DOCKER_CREDENTIAL_TYPE: 'GenericDocker',
        DOCKER_URL: 'r.test',
        DOCKER_USERNAME: 'ann',
        DOCKER_PASSWORD: "p'w $x",
      },
      { url: 'r.test', username: 'ann', password: "p'w $x" },
    ],
    [
      { DOCKER_CREDENTIAL_TYPE: 'AWS_ECR', AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'id', AWS_SESSION_TOKEN: 't' },
      { region: 'eu-west-1', accountId: undefined },
    ],
    [
      { DOCKER_CREDENTIAL_TYPE: 'AWS_ECR', AWS_REGION: 'eu-west-1', AWS_ACCOUNT_ID: '12' },
      { region: 'eu-west-1', accountId: '12' },
    ],
    [
      { DOCKER_CREDENTIAL_TYPE: 'GCR', GCR_HOSTNAME: 'gcr.io' },
      { hostname: 'gcr.io', keyFile: '{"a": 1}' },
    ],
  ])('of %j is told', (variables, expected) => {
    expect(resolveCredential(credential(variables, { [keyFile]: '{"a": 1}' }))).toEqual({
      kind: 'resolved',
      credential: { type: variables.DOCKER_CREDENTIAL_TYPE, variables, ...expected },
    });
  });

  it.each([
    [{}, 'DOCKER_CREDENTIAL_TYPE not set'],
    [{ DOCKER_CREDENTIAL_TYPE: 'Quay' }, "unknown DOCKER_CREDENTIAL_TYPE: 'Quay'"],
    [{ DOCKER_CREDENTIAL_TYPE: '' }, "unknown DOCKER_CREDENTIAL_TYPE: ''"],
    [{ DOCKER_CREDENTIAL_TYPE: 'DockerHub', DOCKERHUB_PASSWORD: 'p' }, "no env var 'DOCKERHUB_USERNAME' found"],
    [{ DOCKER_CREDENTIAL_TYPE: 'DockerHub', DOCKERHUB_USERNAME: 'u' }, "no env var 'DOCKERHUB_PASSWORD' found"],
    [{ DOCKER_CREDENTIAL_TYPE: 'GenericDocker' }, "no env var 'DOCKER_URL' found"],
    [{ DOCKER_CREDENTIAL_TYPE: 'AWS_ECR' }, "no env var 'AWS_REGION' found"],
    [{ DOCKER_CREDENTIAL_TYPE: 'GCR', GCR_HOSTNAME: 'gcr.io' }, `no file '${keyFile}' found`],
    [{ DOCKER_CREDENTIAL_TYPE: 'GCR', A: 'a\0b' }, "error decoding 'A': it has a zero byte"],
  ])('of %j is refused: %s', (variables, reason) => {
    expect(resolveCredential(credential(variables))).toEqual({ kind: 'unresolved', reason });
  });

  it.each([
    ['c2', 0],
    ['c2VjcmV0c2', 8],
    ['c2V$cmV0', 3],
    ['c2Vjcg==x', 8],
  ])('that is not base64 (%s) is refused, with the place', (encoded, place) => {
    const problem = `illegal base64 data at input byte ${place}`;
    const type = { name: 'DOCKER_CREDENTIAL_TYPE', value: base64('DockerHub') };
    const of = (...variables: { name: string; value: string }[]) => resolveCredential({ variables, files: [] });
    expect(of({ ...type, value: encoded })).toEqual({ kind: 'unresolved', reason: problem });
    expect(of(type, { name: 'DOCKERHUB_USERNAME', value: encoded })).toEqual({
      kind: 'unresolved',
      reason: `error decoding 'DOCKERHUB_USERNAME': ${problem}`,
    });
  });

  it('takes the first of variables with one name', () => {
    const { variables, files } = credential({ DOCKER_CREDENTIAL_TYPE: 'AWS_ECR', AWS_REGION: 'a' });
    const twice = { variables: [...variables, { name: 'AWS_REGION', value: base64('b') }], files };
    expect(resolveCredential(twice)).toMatchObject({ credential: { region: 'a', variables: { AWS_REGION: 'a' } } });
  });
});
