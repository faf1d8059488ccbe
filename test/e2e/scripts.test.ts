import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';

/** Bash scripts from a git repository, from the server's API to the log and the result. */

describe('a script', () => {
  it('gets its arguments, variables and secrets; the log shows everything but the secrets', async () => {
    const world = await createWorld({
      files: {
        'show.sh': [
          '#!/usr/bin/env bash',
          'printf "argument <%s>\\n" "$@" | grep -v TOKEN',
          'printf "%s\\n" "$@" | grep TOKEN= | cut -d= -f2 | tr -d "\\n" | wc -c | sed "s/^/token bytes: /"',
          'echo "region is $REGION, password is $PASSWORD, on $(git rev-parse HEAD)"',
          'echo "over the standard error: $PASSWORD" >&2',
          'printf "%s" "$PASSWORD" > "$OUTPUT_DIRECTORY/seen"',
        ].join('\n'),
      },
      project: {
        variable_groups: [
          {
            name: 'all',
            variables: { size: 3, colour: 'dark blue' },
            env: { REGION: 'eu' },
            secrets: [
              { name: 'PASSWORD', type: 'env', value: 'correct horse battery' },
              { name: 'TOKEN', type: 'var', value: 'tok-5e1f0c9d' },
            ],
          },
        ],
        templates: [
          {
            id: 1,
            name: 'Show',
            app: 'bash',
            playbook: 'show.sh',
            repository: 'main',
            variable_groups: ['all'],
            arguments: ['--from-template', 'with space'],
            allow_override_args_in_task: true,
          },
        ],
      },
    });
    await world.startServer();
    world.startRunner();

    const id = await world.api.startTask(1, {
      arguments: JSON.stringify(['--from-task']),
      environment: JSON.stringify({ extra: 'one' }),
    });
    const task = await world.api.waitUntilFinished(id);
    const log = await world.api.log(id);
    expect(task).toMatchObject({ status: 'success', commit_hash: world.commit });
    expect(log).toEqual(
      expect.arrayContaining([
        'argument <--from-template>',
        'argument <with space>',
        'argument <--from-task>',
        'argument <size=3>',
        'argument <colour=dark blue>',
        'argument <extra=one>',
        'token bytes: 12',
        `region is eu, password is ***, on ${world.commit}`,
        'over the standard error: ***',
      ]),
    );
    expect(readFileSync(join(world.output, 'seen'), 'utf8')).toBe('correct horse battery');
    expect(log.join('\n')).not.toMatch(/correct horse|tok-5e1f0c9d/);
  });

  it('that fails is an error whose last line says how it ended', async () => {
    const world = await createWorld({
      files: { 'fail.sh': '#!/usr/bin/env bash\necho before\necho "cannot open the box" >&2\nexit 7\n' },
      project: { templates: [{ id: 1, name: 'Fail', app: 'bash', playbook: 'fail.sh', repository: 'main' }] },
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    const log = await world.api.log(id);
    expect(log.slice(-3, -1)).toEqual(['before', 'cannot open the box']);
    expect(log.at(-1)).toMatch(/\b7\b/);
  });

  it('that is not in the repository is an error that names it', async () => {
    const world = await createWorld({
      files: { 'other.sh': 'true\n' },
      project: { templates: [{ id: 1, name: 'Missing', app: 'bash', playbook: 'missing.sh', repository: 'main' }] },
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).join('\n')).toContain('missing.sh');
  });
});
