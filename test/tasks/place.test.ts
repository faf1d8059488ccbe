import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/lib/index.ts';
import { runTask, type Step, type TaskOutcome } from '../../src/tasks/index.ts';
import { farPlace, type FarPlace, type FarPlaceOptions } from './far-place.ts';
import { configuration, delivered, type JobParts } from './support.ts';

/** A task touches its place and nothing else: here it runs in one whose paths are not on this machine at all. */

const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
const sshKey = { type: 'ssh', ssh: { login: 'git', passphrase: '', private_key: privateKey } };
const password = (login: string, secret: string) => ({
  type: 'login_password',
  login_password: { login, password: secret },
});

async function run(parts: JobParts, options: FarPlaceOptions): Promise<{ place: FarPlace; outcome: TaskOutcome }> {
  const place = await farPlace(options);
  const config = { ...configuration('/of/the/runner/tmp') };
  const outcome = await runTask({ ...delivered(parts), config, host: place.host, openPlace: place.open });
  expect(place.closed()).toBe(1);
  for (const { args, cwd, env, stdin: _stdin, ...rest } of place.steps) {
    const seen = JSON.stringify([args, cwd, env]);
    expect(seen).not.toContain(tmpdir());
    expect(seen).not.toContain('/of/the/runner/tmp');
    // Who it runs as is the place's business.
    expect(Object.keys(rest).filter((name) => name === 'uid' || name === 'gid')).toEqual([]);
  }
  return { place, outcome };
}

function stepOf({ steps }: FarPlace, key: string): Step {
  const step = steps.find((one) => one.key === key);
  if (!step) throw new Error(`there is no step ${key} among ${steps.map((one) => one.key).join(', ')}`);
  return step;
}

function after(args: readonly string[], name: string): string[] {
  return args.flatMap((arg, index) => (arg === name ? [args[index + 1] ?? ''] : []));
}

describe('an Ansible task somewhere else', () => {
  const parts: JobParts = {
    job: {
      host_configs: [
        { id: 5, project_id: 7, type: 'host', host: 'git.example', ssh_key_id: 12 },
        { id: 6, project_id: 7, type: 'url', host: 'https://web.example/team/', ssh_key_id: 14 },
      ],
      inventory_repository: { id: 9, name: 'inventories', project_id: 7, git_url: 'https://x/y.git', git_branch: 'm' },
    },
    task: {
      workflow_run_id: 5,
      secret: JSON.stringify({ TOKEN: 'survey-secret-1', MODE: 'survey-env-1' }),
      environment: '{}',
    },
    template: {
      app: 'ansible',
      playbook: 'site.yml',
      survey_vars: [{ name: 'MODE', title: 'Mode', target: 'env' }],
      vaults: [{ id: 1, project_id: 7, template_id: 33, vault_key_id: 15, name: 'prod', type: 'password' }],
    },
    inventory: { type: 'file', inventory: 'hosts', repository_id: 9, ssh_key_id: 13, become_key_id: 13 },
    repository: { git_url: 'https://web.example/team/playbooks.git', ssh_key_id: 14 },
    keys: {
      12: sshKey,
      13: password('admin', 'inventory-password-1'),
      14: password('alice', 'repository-password-1'),
      15: password('', 'vault-password-1'),
    },
  };
  const options: FarPlaceOptions = {
    files: {
      '/workspace/repo/site.yml': '',
      '/workspace/repo/requirements.yml': 'roles:\n  - src: x\n',
      '/workspace/repo/ansible.cfg': '[defaults]\ncallback_plugins = mine\n',
      '/workspace/inventory/hosts': 'localhost\n',
    },
    onStep: ({ key }, files) => {
      if (key === 'run') files.set('/secrets/outputs.json', '{"answer": 42}');
      if (key === 'ansible-version') return { stdout: 'ansible-playbook [core 2.16.3]\n' };
      if (key === 'ansible-config') return { stdout: "DEFAULT_CALLBACK_PLUGIN_PATH(/x) = ['/workspace/repo/mine']\n" };
      return undefined;
    },
  };

  it('has all that the original lacks there: passwords, survey secrets and variables, host mappings, outputs', async () => {
    const { outcome, place } = await run(parts, options);
    expect(outcome).toEqual({ kind: 'success', outputs: '{"values":{"answer":42},"skipped":{}}' });
    const { args, cwd, env } = stepOf(place, 'run');
    expect(cwd).toBe('/workspace/repo');
    expect(args.at(-1)).toBe('/workspace/repo/site.yml');
    expect(after(args, '--inventory')).toEqual(['/workspace/inventory/hosts']);
    expect(place.pipes.get(after(args, '--connection-password-file')[0] ?? '')).toBe('inventory-password-1');
    expect(place.pipes.get(after(args, '--become-password-file')[0] ?? '')).toBe('inventory-password-1');
    expect(args).toContain('--vault-id=prod@/secrets/vault-1');
    expect(place.pipes.get('/secrets/vault-1')).toBe('vault-password-1');
    expect(after(args, '--extra-vars')).toEqual(['@/secrets/extra-vars.yml', '@/secrets/secret-vars']);
    expect(place.pipes.get('/secrets/secret-vars')).toBe('"TOKEN": !unsafe "survey-secret-1"\n');
    expect(env['MODE']).toBe('survey-env-1');
    expect(env['SEMAPHORE_OUTPUTS_FILE']).toBe('/secrets/outputs.json');
    expect(env['ANSIBLE_CALLBACK_PLUGINS']).toBe('/workspace/repo/mine:/secrets');
    expect(place.files.get('/secrets/semaphore_outputs.py')).toContain('set_stats');
    expect(env['ANSIBLE_HOME']).toBe('/workspace/home/.ansible');
  });

  it('reaches mapped hosts by agents, pipes and a configuration of the place, with what the administrator says there', async () => {
    const { place } = await run(parts, options);
    expect(place.agents).toEqual(new Map([['/secrets/agent-12.sock', ['key 12']]]));
    const config = place.files.get('/secrets/ssh-config') ?? '';
    expect(config).toContain('Host git.example\n  User git\n  IdentityAgent /secrets/agent-12.sock');
    expect(config).toContain('Include /secrets/administrator-config');
    expect(stepOf(place, 'run').env['GIT_SSH_COMMAND']).toContain('-F /secrets/ssh-config');
    expect(place.pipes.get('/secrets/mapping-6')).toContain('repository-password-1');
    expect(stepOf(place, 'run').env['GIT_CONFIG_PARAMETERS']).toContain('/secrets/mapping-6');
  });

  it('installs what the files there ask for, and notes it there', async () => {
    const { place } = await run(parts, options);
    const install = place.steps.find(({ command }) => command === 'ansible-galaxy');
    expect(install?.args.slice(0, 4)).toEqual(['role', 'install', '-r', '/workspace/repo/requirements.yml']);
    const noted = [...place.files.keys()].filter((path) => path.startsWith('/workspace/internal/requirements_'));
    expect(noted).toHaveLength(1);
  });

  it('has no secret in arguments, nor in the environment of what was not given one', async () => {
    const { place } = await run(parts, options);
    const seen = JSON.stringify(place.steps.map(({ args, env }) => [args, { ...env, MODE: '' }]));
    expect(seen).not.toMatch(/(inventory|repository|vault)-password-1|survey-secret-1|survey-env-1/);
  });

  it('fails without the inventory that is not there', async () => {
    const { '/workspace/inventory/hosts': _gone, ...files } = options.files;
    const { outcome } = await run(parts, { ...options, files });
    expect(outcome).toMatchObject({ reason: expect.stringContaining('there is no file hosts') as string });
  });
});

describe('a Terraform task somewhere else', () => {
  const parts: JobParts = {
    template: {
      app: 'terraform',
      playbook: 'infra',
      task_params: { override_backend: true, auto_approve: true },
    },
    repository: { git_url: 'https://x/y.git' },
    environment: { json: '{"region": "x", "sizes": [1]}' },
    inventory: { type: 'terraform-workspace', inventory: 'stage' },
  };

  it('has its backend, its plan and its variables there, and leaves the repository as it was', async () => {
    let during: string | undefined;
    const { outcome, place } = await run(parts, {
      files: {
        '/workspace/repo/infra/main.tf': 'terraform {\n  cloud {\n  }\n}\n',
        '/workspace/repo/infra/backend.tf': '# theirs\n',
        '/workspace/repo/infra/terraform.tfvars': 'region = "y"\n',
      },
      onStep: ({ key }, files) => {
        if (key === 'plan') during = files.get('/workspace/repo/infra/backend.tf');
        return key === 'plan' ? { result: { kind: 'exited', code: 2 } } : undefined;
      },
    });
    expect(outcome).toEqual({ kind: 'success', outputs: undefined });
    expect(during).toContain('backend "http"');
    expect(place.files.get('/workspace/repo/infra/backend.tf')).toBe('# theirs\n');
    expect(stepOf(place, 'plan').args).toEqual(
      expect.arrayContaining(['-out=/secrets/plan', '-var-file=/secrets/variables.tfvars.json']),
    );
    expect(place.pipes.get('/secrets/variables.tfvars.json')).toContain('region');
    expect(stepOf(place, 'apply')).toMatchObject({ cwd: '/workspace/repo/infra' });
    expect(place.files.has('/secrets/plan')).toBe(false);
  });
});

it('is all that tasks know of the world: their sources ask no file system, no process, no socket', () => {
  const source = join(import.meta.dirname, '..', '..', 'src', 'tasks');
  const names = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const direct = names.filter((name) =>
    /from 'node:(fs|os|net|child_process|path'|process)|\bprocess\.[a-z]|captureProcess|runProcess|openHandOvers|startSshAgent|\bcheckout\(/.test(
      readFileSync(join(source, name), 'utf8'),
    ),
  );
  // Reads the plugin of this installation, which is on the runner's machine wherever the task is.
  expect(direct).toEqual(['apps/ansible/outputs-plugin.ts']);
});

describe('a place', () => {
  const script: JobParts = { repository: { git_url: '/of/the/runner' } };
  const files = { '/workspace/repo/run.sh': 'echo' };

  it("has the files of a repository on the runner's machine", async () => {
    const { outcome, place } = await run(script, { files });
    expect([outcome.kind, stepOf(place, 'run').cwd]).toEqual(['success', '/workspace/repo']);
    const missing = await run({ repository: { git_url: '/elsewhere' } }, { files });
    expect(missing.outcome).toMatchObject({
      reason: expect.stringContaining('there is no directory /elsewhere') as string,
    });
  });

  it('is named where a tool is missing', async () => {
    const onStep: FarPlaceOptions['onStep'] = () => ({
      result: { kind: 'unstartable', code: 'ENOENT', message: 'bash was not found' },
    });
    const { outcome } = await run(script, { files, onStep });
    expect(outcome).toEqual({
      kind: 'failed',
      reason:
        'Task failed in run: bash cannot be started: bash was not found. Install bash in the image, add its directory to the PATH of tasks, or set apps.<name>.path.',
    });
  });

  it('is looked at for PowerShell', async () => {
    const { place } = await run({ ...script, template: { app: 'powershell' } }, { files });
    expect(stepOf(place, 'run').command).toBe('pwsh');
  });

  it('that cannot be had fails the task in its words; what is our fault does not', async () => {
    const { host } = await farPlace({ files });
    const config = configuration('/nowhere');
    const open = (thrown: Error) =>
      runTask({ ...delivered(script), config, host, openPlace: () => Promise.reject(thrown) });
    expect(await open(new UserError('there is no image', { hint: 'Name one.' }))).toEqual({
      kind: 'failed',
      reason: 'Task failed in prepare: there is no image. Name one.',
    });
    await expect(open(new Error('a fault'))).rejects.toThrow('a fault');
  });
});
