import { describe, expect, it } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { taskRoom } from './support.ts';

describe('secrets that are too short or too common', () => {
  const jobWith = (secrets: readonly string[]) => {
    const repository = new TestRepository();
    repository.commit({ 'run.sh': 'echo "true 1"' }, 'Script');
    return {
      template: { app: 'bash', playbook: 'run.sh' },
      repository: { git_url: repository.url },
      environment: { secrets: secrets.map((secret, id) => ({ id, type: 'env', name: `S${id}`, secret })) },
    };
  };

  it('are told of once, by their number only', async () => {
    const { lines, task } = await taskRoom().run(jobWith(['true', '1', '', 'a-real-secret']));
    const warnings = lines.filter((line) => line.startsWith('Warning:'));
    expect(warnings).toEqual([
      'Warning: 2 secrets of this task are not masked in this log, being shorter than 4 characters ' +
        '(runner.masking.min_length) or a common word.',
    ]);
    expect(task.secrets).toEqual(['a-real-secret']);
  });

  it('are not mentioned when there are none', async () => {
    const { lines } = await taskRoom().run(jobWith(['', 'a-real-secret']));
    expect(lines.join('\n')).not.toContain('Warning');
  });
});
