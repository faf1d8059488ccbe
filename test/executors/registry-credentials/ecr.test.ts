import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  registryAccount,
  resolveCredential,
  type EncodedCredential,
} from '../../../src/executors/registry-credentials/index.ts';
import { base64 } from '../../agent/job-setup.ts';
import { needsDocker, startRegistry, type Registry } from '../../support/docker/index.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { needs, toolPath } from '../../support/tools.ts';
import { account, region, startStandInAws, type StandInAws } from './stand-in-aws.ts';
import { credential, logInto, standIns, type LoggedIn } from './support.ts';

const password = 'token of ECR';
const server = `${account}.dkr.ecr.${region}.amazonaws.com`;

function ecr(more: Record<string, string> = {}): EncodedCredential {
  return credential({
    DOCKER_CREDENTIAL_TYPE: 'AWS_ECR',
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret key',
    AWS_SESSION_TOKEN: 'session token',
    ...more,
  });
}

const shown = {
  v2: `aws ecr get-login-password --region $AWS_REGION | docker login --username AWS --password-stdin ${account}.dkr.ecr.$AWS_REGION.amazonaws.com\n`,
  v1: '$(aws ecr get-login --no-include-email --region $AWS_REGION)\n',
  v1WithAccount: `$(aws ecr get-login --no-include-email --region $AWS_REGION --registry-ids ${account})\n`,
};

/** Stands in for the way to ECR: the real docker, with our registry where that of the account is named. */
function dockerFor(registry: Registry): string {
  return `#!/bin/sh\nPATH="\${PATH#*:}"\n[ "$5" = ${server} ] || exit 9\nexec docker "$1" "$2" "$3" -- ${registry.address}\n`;
}

/** Stands in for the AWS CLI: writes down how it is called, with what, and answers as the real one. */
function awsScript(calls: string, version: string): string {
  const token = `${base64(`AWS:${password}`)}\\thttps://${server}`;
  return `#!/bin/sh
echo "$* [$AWS_REGION $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN $FURTHER]" >> ${calls}
case "$*" in
--version) ${version} ;;
"sts get-caller-identity --query Account --output text") echo ${account} ;;
"ecr get-login-password --region ${region}") echo '${password}' ;;
"ecr get-authorization-token --region ${region} "*) printf '${token}\\n' ;;
*) echo "unknown: $*" >&2; exit 252 ;;
esac
`;
}

describe.runIf(needsDocker())('a login to ECR', () => {
  let registry: Registry;
  beforeAll(async () => {
    registry = await startRegistry({ user: 'AWS', password });
  });
  afterAll(() => registry.stop());

  function expectNoSecret({ events, agentLog }: LoggedIn): void {
    const said = [...events, ...agentLog].join('');
    for (const secret of [password, base64(`AWS:${password}`), 'secret key', 'session token'])
      expect(said).not.toContain(secret);
  }

  describe.each([
    ['2', 'echo aws-cli/2.15.30 Python/3.11.8'],
    ['1', 'echo aws-cli/1.16.1 Python/2.7 >&2'],
  ])('with a stand-in for the AWS CLI %s', (generation, version) => {
    it.each([{}, { AWS_ACCOUNT_ID: account, FURTHER: 'more' }])('and %j', async (more) => {
      const calls = join(tempDir(), 'calls');
      const bin = standIns({ aws: awsScript(calls, version), docker: dockerFor(registry) });
      const result = await logInto([ecr(more)], { bin });
      expect(result.events.at(-2)).toBe('Login Succeeded\n');
      expect(result.exitCode).toBe(0);
      const hasAccount = 'AWS_ACCOUNT_ID' in more;
      const command = generation === '2' ? shown.v2 : hasAccount ? shown.v1WithAccount : shown.v1;
      expect(result.events.slice(0, 2)).toEqual(['Setting up credentials for ECR\n', command]);
      expectNoSecret(result);
      const env = `[${region} AKIDEXAMPLE secret key session token ${hasAccount ? 'more' : ''}]`;
      const query = '--query authorizationData[0].[authorizationToken,proxyEndpoint] --output text';
      const identity = hasAccount ? [] : ['sts get-caller-identity --query Account --output text'];
      const registryIds = hasAccount ? ` --registry-ids ${account}` : '';
      const expected =
        generation === '2'
          ? ['--version', ...identity, `ecr get-login-password --region ${region}`]
          : ['--version', `ecr get-authorization-token --region ${region}${registryIds} ${query}`];
      expect(readFileSync(calls, 'utf8').trim().split('\n')).toEqual(expected.map((args) => `${args} ${env}`));
    });
  });

  it('without the AWS CLI says what to do', async () => {
    const { exitCode, events, agentLog } = await logInto([ecr()], { env: { PATH: '/nowhere' } });
    expect(exitCode).toBe(1);
    const text = "aws was not found on the agent's PATH: install it on the host of the agent";
    expect(events).toEqual(['Setting up credentials for ECR\n', `${text}\n`]);
    expect(agentLog).toEqual([`A login to a registry failed {"type":"AWS_ECR","reason":"${text}"}`]);
  });

  it.each([
    ['echo something else', '`aws --version` does not name a version of the AWS CLI'],
    ['echo aws-cli/2.0.0; exit 3', 'aws ended with exit code 3'],
  ])('with an AWS CLI that does "%s" fails: %s', async (version, reason) => {
    const bin = standIns({ aws: awsScript(join(tempDir(), 'calls'), version) });
    const result = await logInto([ecr()], { bin });
    expect(result.exitCode).toBe(1);
    expect(result.events.at(-1)).toBe(`${reason}\n`);
  });

  it('shows nothing of what an AWS CLI has printed that fails then, but its errors', async () => {
    const calls = join(tempDir(), 'calls');
    const script = awsScript(calls, 'echo aws-cli/2.1.0').replace(
      `echo '${password}'`,
      `echo '${password}'; echo bad >&2; exit 5`,
    );
    const bin = standIns({ aws: script });
    const result = await logInto([ecr({ AWS_ACCOUNT_ID: account })], { bin });
    expect(result.exitCode).toBe(1);
    expect(result.events.slice(1)).toEqual([shown.v2, 'bad\n', 'aws ended with exit code 5\n']);
    expectNoSecret(result);
  });

  describe.runIf(needs('aws'))('with the real AWS CLI', () => {
    const directory = mkdtempSync(join(tmpdir(), 'semaphore-test-aws-'));
    let aws: StandInAws;
    beforeAll(async () => {
      aws = await startStandInAws(directory, password);
    });
    afterAll(async () => {
      await aws.close();
      rmSync(directory, { recursive: true });
    });

    it.each(realClis())(
      '%s',
      async (version, path) => {
        aws.calls.length = 0;
        const bin = standIns({ aws: `#!/bin/sh\nexec ${path} "$@"\n`, docker: dockerFor(registry) });
        const result = await logInto([ecr()], { bin, env: aws.env });
        expect(result.events.slice(-2)).toEqual(['Login Succeeded\n', '\n']);
        expect(result.exitCode).toBe(0);
        expect(result.events[1]).toBe(version.startsWith('1') ? shown.v1 : shown.v2);
        expectNoSecret(result);
        const actions = version.startsWith('1')
          ? ['GetAuthorizationToken']
          : ['GetCallerIdentity', 'GetAuthorizationToken'];
        expect(aws.calls.map(({ action }) => action)).toEqual(actions);
        expect(aws.calls).toEqual(
          aws.calls.map((call) => ({ ...call, keyId: 'AKIDEXAMPLE', sessionToken: 'session token' })),
        );
      },
      120_000,
    );

    it.each(realClis())(
      '%s that is refused',
      async (_version, path) => {
        const bin = standIns({ aws: `#!/bin/sh\nexec ${path} "$@"\n`, docker: '#!/bin/sh\nexit 9\n' });
        const result = await logInto([ecr({ AWS_ACCESS_KEY_ID: 'denied', AWS_ACCOUNT_ID: account })], {
          bin,
          env: aws.env,
        });
        expect(result.exitCode).toBe(1);
        expect(result.events.join('')).toContain('AccessDeniedException');
        expect(result.events.at(-1)).toMatch(/^aws ended with exit code \d+\n$/);
        expectNoSecret(result);
      },
      120_000,
    );
  });
});

describe('the account of a credential', () => {
  const options = { env: { PATH: process.env['PATH'] ?? '' }, signal: new AbortController().signal };
  const of = async (encoded: EncodedCredential, env = options.env) => {
    const resolved = resolveCredential(encoded);
    if (resolved.kind === 'unresolved') throw new Error(resolved.reason);
    return registryAccount(resolved.credential, { ...options, env });
  };

  it.each([
    [
      { DOCKER_CREDENTIAL_TYPE: 'DockerHub', DOCKERHUB_USERNAME: 'a', DOCKERHUB_PASSWORD: 'b' },
      ['docker.io', 'a', 'b'],
    ],
    [
      { DOCKER_CREDENTIAL_TYPE: 'GenericDocker', DOCKER_URL: 'r.test', DOCKER_USERNAME: 'a', DOCKER_PASSWORD: 'b' },
      ['r.test', 'a', 'b'],
    ],
    [{ DOCKER_CREDENTIAL_TYPE: 'GCR', GCR_HOSTNAME: 'gcr.io' }, ['gcr.io', '_json_key', '{}']],
  ])('of %j is told without asking anybody', async (variables, [wanted, username, secret]) => {
    expect(await of(credential(variables, { '/tmp/gcr/keyfile.json': '{}' }), { PATH: '' })).toEqual({
      kind: 'account',
      account: { server: wanted, username, password: secret },
    });
  });

  it.each([
    ['2', region, server],
    ['2', 'cn-north-1', `${account}.dkr.ecr.cn-north-1.amazonaws.com.cn`],
    ['1', region, server],
  ])('for ECR is fetched with the AWS CLI (%s, %s)', async (generation, where, wanted) => {
    const script = awsScript(join(tempDir(), 'calls'), `echo aws-cli/${generation}.9.1`).replaceAll(
      `--region ${region}`,
      `--region ${where}`,
    );
    const path = `${standIns({ aws: script })}:${options.env.PATH}`;
    expect(await of(ecr({ AWS_REGION: where }), { PATH: path })).toEqual({
      kind: 'account',
      account: { server: wanted, username: 'AWS', password },
    });
  });

  it('for ECR is not had without the AWS CLI', async () => {
    expect(await of(ecr(), { PATH: '/nowhere' })).toMatchObject({ kind: 'failed', output: '' });
  });
});

/** Version and path of each AWS CLI of this machine: Debian's, and another one where somebody has it. */
function realClis(): [string, string][] {
  const paths = [toolPath('aws'), '/usr/bin/aws', '/usr/local/bin/aws'].filter((path) => path !== undefined);
  const found = paths.flatMap((path): [string, string][] => {
    try {
      realpathSync(path);
      const output = execFileSync('sh', ['-c', '"$0" --version 2>&1', path], { encoding: 'utf8' });
      return [[/aws-cli\/([\d.]+)/.exec(output)?.[1] ?? output, path]];
    } catch {
      return []; // Not here.
    }
  });
  return [...new Map(found)];
}
