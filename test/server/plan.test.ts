import { describe, expect, it } from 'vitest';
import { plan, type PlanInput } from '../../src/server/dispatch/plan.ts';
import { catalog, runnerRecord, taskRecord, template } from './support/builders.ts';

const now = Date.parse('2026-01-01T12:00:00.000Z');

function decide(input: Partial<PlanInput>): string[] {
  const decisions = plan({
    tasks: [],
    reserved: new Map(),
    runners: [runnerRecord(1)],
    catalog: catalog(),
    now,
    offlineTimeoutMs: 120_000,
    random: () => 0,
    ...input,
  });
  return decisions.map((decision) =>
    decision.kind === 'assign'
      ? `${decision.task.id}->${decision.runner.id}`
      : `${decision.task.id} ${decision.reason}`,
  );
}

const running = (id: number, runnerId = 1, changes = {}) => taskRecord(id, { status: 'running', runnerId, ...changes });

describe('which runner gets a task (spec 8.3)', () => {
  it('any active one that takes tasks without a tag, when the template has none', () => {
    const runners = [
      runnerRecord(1, { isDefault: false, tags: ['eu'] }),
      runnerRecord(2, { active: false }),
      runnerRecord(3),
    ];
    expect(decide({ tasks: [taskRecord(1)], runners })).toEqual(['1->3']);
  });

  it('one with the tag of the template', () => {
    const runners = [runnerRecord(1), runnerRecord(2, { tags: ['us', 'eu'] })];
    expect(
      decide({ tasks: [taskRecord(1)], runners, catalog: catalog({ templates: [template(1, { runnerTag: 'eu' })] }) }),
    ).toEqual(['1->2']);
  });

  it('one with the tag of the inventory, unless the template has its own', () => {
    const inventories = new Map([
      [
        5,
        {
          id: 5,
          projectId: 1,
          name: 'i',
          type: 'static' as const,
          inventory: '',
          keyId: undefined,
          becomeKeyId: undefined,
          repositoryId: undefined,
          runnerTag: 'eu',
        },
      ],
    ]);
    const runners = [runnerRecord(1, { tags: ['us'] }), runnerRecord(2, { tags: ['eu'] })];
    const templates = [template(1, { inventoryId: 5 }), template(2, { inventoryId: 5, runnerTag: 'us' }), template(3)];
    const tasks = [taskRecord(1), taskRecord(2, { templateId: 2 }), taskRecord(3, { templateId: 3, inventoryId: 5 })];
    expect(decide({ tasks, runners, catalog: catalog({ templates, inventories }) })).toEqual(['1->2', '2->1', '3->2']);
  });

  it('one of its project before one of all, never one of another project', () => {
    const runners = [
      runnerRecord(1),
      runnerRecord(2, { projectId: 1, maxParallelTasks: 1 }),
      runnerRecord(3, { projectId: 2 }),
    ];
    expect(decide({ tasks: [taskRecord(1), taskRecord(2)], runners })).toEqual(['1->2', '2->1']);
  });

  it('by chance, among equals', () => {
    const runners = [runnerRecord(1), runnerRecord(2)];
    expect(decide({ tasks: [taskRecord(1)], runners, random: () => 0.9 })).toEqual(['1->2']);
    expect(decide({ tasks: [taskRecord(1)], runners, random: () => 0.1 })).toEqual(['1->1']);
  });

  it('only one that asked within the time-out, or has a webhook', () => {
    const silent = { touched: '2026-01-01T11:58:00.000Z' };
    const tasks = [taskRecord(1)];
    expect(decide({ tasks, runners: [runnerRecord(1, silent)] })).toEqual([]);
    expect(decide({ tasks, runners: [runnerRecord(1, { touched: undefined })] })).toEqual([]);
    expect(decide({ tasks, runners: [runnerRecord(1, { touched: '2026-01-01T11:58:00.001Z' })] })).toEqual(['1->1']);
    expect(decide({ tasks, runners: [runnerRecord(1, { ...silent, webhook: 'http://x' })] })).toEqual(['1->1']);
  });

  it.each([
    [[], undefined, 'no runner is registered yet'],
    [[runnerRecord(1, { tokenHash: undefined })], undefined, 'no runner is registered yet'],
    [[runnerRecord(1, { active: false })], undefined, 'no active runner takes tasks without a tag (registered: 1)'],
    [[runnerRecord(1)], 'eu', 'no active runner has the tag "eu" (registered: 1)'],
  ])('none, and the task fails, when there is no such runner at all', (runners, tag, hint) => {
    const templates = [template(1, { runnerTag: tag })];
    expect(decide({ tasks: [taskRecord(7)], runners, catalog: catalog({ templates }) })).toEqual([
      `7 no runners available: ${hint}`,
    ]);
  });

  it('none, and the task fails, when its template is gone', () => {
    expect(decide({ tasks: [taskRecord(7, { templateId: 9 })] })).toEqual([
      '7 The template "T" is no longer in the server file.',
    ]);
  });
});

describe('how many tasks run', () => {
  it('as many as each runner takes; the others wait', () => {
    const runners = [runnerRecord(1, { maxParallelTasks: 2 }), runnerRecord(2, { maxParallelTasks: 1 })];
    const tasks = [running(1), taskRecord(2), taskRecord(3), taskRecord(4)];
    expect(decide({ tasks, runners })).toEqual(['2->1', '3->2']);
  });

  it('without limit when a runner has none', () => {
    expect(decide({ tasks: Array.from({ length: 50 }, (_, index) => taskRecord(index + 1)) })).toHaveLength(50);
  });

  it('one of a template, unless it allows more', () => {
    const templates = [template(1, { allowParallelTasks: false }), template(2)];
    const tasks = [taskRecord(1), taskRecord(2), taskRecord(3, { templateId: 2 }), taskRecord(4, { templateId: 2 })];
    expect(decide({ tasks, catalog: catalog({ templates }) })).toEqual(['1->1', '3->1', '4->1']);
    expect(decide({ tasks: [running(1), taskRecord(2)], catalog: catalog({ templates }) })).toEqual([]);
    expect(
      decide({ tasks: [running(1, 1, { status: 'stopping' }), taskRecord(2)], catalog: catalog({ templates }) }),
    ).toEqual([]);
  });

  it('as many as a project takes', () => {
    const projects = [{ id: 1, maxParallelTasks: 2 }, { id: 2 }];
    const templates = [template(1), template(2, { projectId: 2 })];
    const tasks = [running(1), taskRecord(2), taskRecord(3), taskRecord(4, { projectId: 2, templateId: 2 })];
    expect(decide({ tasks, catalog: catalog({ templates, projects }) })).toEqual(['2->1', '4->1']);
  });

  it('counting those whose runner is being woken', () => {
    const runners = [runnerRecord(1, { maxParallelTasks: 1, webhook: 'http://x' })];
    expect(decide({ tasks: [taskRecord(1), taskRecord(2)], runners, reserved: new Map([[1, 1]]) })).toEqual([]);
  });
});

describe('the queue', () => {
  it('is served in order, and one that must wait holds up nobody', () => {
    const templates = [template(1, { runnerTag: 'eu' }), template(2)];
    const runners = [
      runnerRecord(1, { tags: ['eu'], isDefault: false, maxParallelTasks: 1 }),
      runnerRecord(2, { maxParallelTasks: 2 }),
    ];
    const tasks = [
      running(1),
      taskRecord(2),
      taskRecord(3, { templateId: 2 }),
      taskRecord(4, { templateId: 2 }),
      taskRecord(5, { templateId: 2 }),
    ];
    expect(decide({ tasks, runners, catalog: catalog({ templates }) })).toEqual(['3->2', '4->2']);
  });
});
