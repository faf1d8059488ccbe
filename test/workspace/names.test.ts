import { describe, expect, it } from 'vitest';
import {
  branchPart,
  checkoutName,
  homeName,
  internalName,
  inventoryCheckoutName,
  inventoryFileName,
  mirrorName,
  projectName,
  taskName,
} from '../../src/workspace/names.ts';

describe('names of spec 5.4', () => {
  const of = { repositoryId: 3, templateId: 33, branch: 'main' };
  // printf %s main | sha1sum
  const main = 'b28b7af69320201d1cf206ebf28373980add1451'.slice(0, 32);

  it('are these', () => {
    expect(projectName(7)).toBe('project_7');
    expect(checkoutName(of)).toBe(`repository_3_template_33_main_${main}`);
    expect(homeName(3, 33)).toBe('repository_3_template_33_home');
    expect(internalName(3, 33)).toBe('repository_3_template_33_internal');
    expect(inventoryCheckoutName(of, 21)).toBe(`repository_3_template_33_main_${main}_inventory_21`);
    expect(taskName(4711)).toBe('task_4711');
    expect(inventoryFileName(21, 4711, false)).toBe('inventory_21_task_4711');
    expect(inventoryFileName(21, 4711, true)).toBe('inventory_21_task_4711.yml');
  });

  it('keep branches apart that look alike once made readable', () => {
    expect(branchPart('feature/a b')).toMatch(/^feature-a-b_[0-9a-f]{32}$/);
    expect(branchPart('feature/a-b')).not.toBe(branchPart('feature/a b'));
    expect(branchPart('x'.repeat(200))).toMatch(/^x{48}_[0-9a-f]{32}$/);
  });

  it('keep two URLs under one repository id apart', () => {
    expect(mirrorName(3, 'https://a.example/x.git')).toMatch(/^mirror_3_[0-9a-f]{16}$/);
    expect(mirrorName(3, 'https://a.example/x.git')).not.toBe(mirrorName(3, 'https://b.example/x.git'));
  });
});
