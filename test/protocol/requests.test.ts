import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeProgress,
  decodeRegistration,
  encodeRegistration,
  isFinished,
  isTaskStatus,
  ProgressBody,
  redactUrl,
  repositoryType,
} from '../../src/protocol/ui/index.ts';
import { UserError } from '../../src/lib/index.ts';

describe('decodeProgress', () => {
  it('reads the example of the specification (3.6)', () => {
    const body = `{"Jobs": [{"ID": 4711, "Status": "running",
      "LogRecords": [{"time": "2026-10-10T08:16:02.114539001Z", "message": "Preparing: 4711"}],
      "Commit": {"hash": "9f2c1d0c", "message": "Add nginx role"}, "outputs": "{\\"a\\":1}"}]}`;
    expect(decodeProgress(Buffer.from(body))).toEqual({
      jobs: [
        {
          id: 4711,
          status: 'running',
          logRecords: [{ time: '2026-10-10T08:16:02.114539001Z', message: 'Preparing: 4711' }],
          commit: { hash: '9f2c1d0c', message: 'Add nginx role' },
          outputs: '{"a":1}',
        },
      ],
    });
  });

  it.each(['{"Jobs":null}', '{}', '{"other":1}'])('finds nothing to report in %s', (body) => {
    expect(decodeProgress(body)).toEqual({ jobs: null });
  });

  it('accepts any casing, null for anything, local times, and records with something more', () => {
    const body = JSON.stringify({
      jobs: [
        { id: 1, STATUS: null, logrecords: null, commit: null },
        {
          Id: '2',
          status: 'x',
          logRecords: [
            { Time: '2024-10-25T10:15:59.5+02:00', MESSAGE: 'ü' },
            { time: null, message: null },
            null,
            { time: '2024-10-25T10:15:59Z', message: 'm', level: 3 },
          ],
        },
      ],
    });
    const zero = { time: '0001-01-01T00:00:00Z', message: '' };
    expect(decodeProgress(body)).toMatchObject({
      jobs: [
        { id: 1, status: '', logRecords: [], commit: undefined, outputs: undefined },
        {
          id: 2,
          status: 'x',
          logRecords: [{ time: '2024-10-25T10:15:59.5+02:00', message: 'ü' }, zero, zero, { message: 'm' }],
        },
      ],
    });
  });

  it.each([
    ['{"Jobs":', 'not JSON'],
    ['[]', 'body: expected an object'],
    ['{"Jobs":{}}', 'Jobs: expected an array'],
    ['{"Jobs":[7]}', 'Jobs[0]: expected an object'],
    ['{"Jobs":[{"ID":"x"}]}', 'Jobs[0].id: expected number'],
    ['{"Jobs":[{"ID":1,"LogRecords":"x"}]}', 'Jobs[0].LogRecords: expected an array'],
    [
      '{"Jobs":[{"ID":1,"LogRecords":[{"time":"2026-10-10T08:16:02Z","message":7}]}]}',
      'LogRecords[0].message: expected string',
    ],
    [
      '{"Jobs":[{"ID":1,"LogRecords":[{"time":"yesterday","message":"hush"}]}]}',
      'LogRecords[0].time: expected RFC 3339',
    ],
    ['{"Jobs":[{"ID":1,"LogRecords":["hush"]}]}', 'LogRecords[0]: expected an object'],
  ])('refuses %s and says where', (body, text) => {
    const decode = (): unknown => decodeProgress(body);
    expect(decode).toThrow(UserError);
    expect(decode).toThrow(text);
    expect(decode).not.toThrow('hush');
  });

  it('reads what ProgressBody writes', () => {
    const job = fc.record({
      id: fc.integer({ min: 1 }),
      status: fc.constantFrom('running' as const, 'success' as const),
      logRecords: fc.array(
        fc.record({ time: fc.constant('2026-10-10T08:16:02.1Z'), message: fc.string({ unit: 'binary' }) }),
      ),
      commit: fc.option(fc.record({ hash: fc.string(), message: fc.string() }), { nil: undefined }),
      outputs: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(job), (jobs) => {
        const progress = new ProgressBody();
        for (const { id, logRecords, ...report } of jobs) {
          progress.openJob(id);
          progress.writer.text(logRecords.map((record) => JSON.stringify(record)).join(','));
          progress.closeJob(report);
        }
        const body = progress.finish();
        // Unpaired surrogates cannot be sent; the body travels as bytes.
        const sent = JSON.parse(Buffer.from(JSON.stringify(jobs)).toString()) as unknown;
        expect(JSON.parse(JSON.stringify(decodeProgress(Buffer.from(body)).jobs))).toEqual(
          jobs.length === 0 ? null : sent,
        );
      }),
    );
  });

  it('reads a body of 50,000 records', () => {
    const records = Array.from({ length: 50_000 }, (_, line) => ({
      time: '2026-10-10T08:16:02.114539001Z',
      message: `ok: [web1.example.com] line ${line} ${'x'.repeat(50)}`,
    }));
    const { jobs } = decodeProgress(
      Buffer.from(JSON.stringify({ Jobs: [{ ID: 1, Status: 'running', LogRecords: records }] })),
    );
    expect(jobs?.[0]?.logRecords.length).toBe(50_000);
  });
});

describe('a registration', () => {
  it('is written with its keys as servers know them, the optional ones only when they say something (3.4)', () => {
    expect(encodeRegistration({ registrationToken: 't', maxParallelTasks: 3, enabled: false, tags: [] })).toBe(
      '{"registration_token":"t","max_parallel_tasks":3}',
    );
    expect(
      JSON.parse(
        encodeRegistration({
          registrationToken: 'smrs_x',
          webhook: 'https://hooks.example.com',
          name: 'eu-1',
          tags: ['eu', 'ansible'],
          maxParallelTasks: 9999,
          enabled: true,
          projectId: 7,
        }),
      ),
    ).toEqual({
      registration_token: 'smrs_x',
      webhook: 'https://hooks.example.com',
      name: 'eu-1',
      tags: ['eu', 'ansible'],
      max_parallel_tasks: 9999,
      enabled: true,
      project_id: 7,
    });
  });

  it('of every version is read', () => {
    expect(decodeRegistration('{"registration_token":"t","webhook":"","max_parallel_tasks":1}')).toEqual({
      registrationToken: 't',
      maxParallelTasks: 1,
      tags: [],
      enabled: false,
    });
    expect(
      decodeRegistration(Buffer.from('{"Registration_Token":"t","public_key":"","project_id":null,"x":1}')),
    ).toMatchObject({
      registrationToken: 't',
      publicKey: undefined,
      projectId: undefined,
      maxParallelTasks: 0,
    });
    expect(() => decodeRegistration('{"registration_token":')).toThrow('Invalid format: not JSON');
    expect(() => decodeRegistration('{"tags":"a"}')).toThrow('body.tags: expected array');
  });
});

describe('statuses', () => {
  it('are known or not, finished or not', () => {
    expect(isTaskStatus('waiting_confirmation')).toBe(true);
    expect(isTaskStatus('')).toBe(false);
    expect((['stopped', 'success', 'error'] as const).every(isFinished)).toBe(true);
    expect((['waiting', 'starting', 'running', 'stopping', 'confirmed', 'rejected'] as const).some(isFinished)).toBe(
      false,
    );
  });
});

describe('repositories', () => {
  it.each([
    ['/srv/git/x', 'local'],
    ['C:\\repos\\x', 'local'],
    ['d:/repos/x', 'local'],
    ['git@host:path/x.git', 'ssh'],
    ['host:path', 'ssh'],
    ['http://host/x', 'https'],
    ['HTTPS://host/x', 'https'],
    ['ssh://git@host:22/x', 'ssh'],
    ['git://host/x', 'git'],
    ['file:///srv/x', 'file'],
  ])('%s is of type %s', (url, type) => {
    expect(repositoryType(url)).toBe(type);
  });

  it.each([
    ['https://user:p%40ss@host/x.git', 'https://host/x.git'],
    ['https://token@host:8443/x', 'https://host:8443/x'],
    ['https://user:pa/ss@word@host/x', 'https://host/x'],
    ['ssh://git@host/x', 'ssh://host/x'],
    ['https://host/x', 'https://host/x'],
    ['git@host:x', 'git@host:x'],
    ['/srv/a@b', '/srv/a@b'],
  ])('%s is shown as %s', (url, shown) => {
    expect(redactUrl(url)).toBe(shown);
  });
});
