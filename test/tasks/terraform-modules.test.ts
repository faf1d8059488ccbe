import { describe, expect, it, onTestFinished } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { plain, terraformRoom } from './terraform-support.ts';

const here = needs('terraform') && needs('ssh') && needs('ssh-keygen') && needs('sshd');

describe.runIf(here)('modules that terraform fetches by git', () => {
  it("come with the inventory's key, which no process can read from arguments or files", async () => {
    const directory = tempDir();
    const sshd = await startSshd(directory);
    onTestFinished(() => sshd.close());
    const key = makeKey(directory, { passphrase: 'open sesame' });
    sshd.authorize(key.publicKey);
    const module = new TestRepository();
    module.commit({ 'main.tf': 'resource "terraform_data" "from_module" {\n}\n' });
    const source = `git::ssh://${sshd.user}@127.0.0.1:${sshd.port}${module.bare}?ref=main`;
    const room = terraformRoom({ 'main.tf': `module "m" {\n  source = "${source}"\n}\n` });
    const keys = {
      5: { type: 'ssh', ssh: { login: '', passphrase: 'open sesame', private_key: key.privateKey } },
    };

    const without = await room.run();
    expect(without.outcome).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('a module cannot be fetched'),
    });
    expect(plain(without.lines).join('\n')).toContain('Permission denied (publickey)');

    const { outcome, task } = await room.run({ inventory: { ssh_key_id: 5 }, keys });
    expect(outcome).toEqual({ kind: 'success' });
    expect(room.state().resources.map(({ name }) => name)).toEqual(['from_module']);
    expect(JSON.stringify(task.steps.map(({ args, env }) => [args, env]))).not.toMatch(/PRIVATE KEY|open sesame/);
  });
});
