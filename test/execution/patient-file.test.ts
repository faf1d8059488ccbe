import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PatientFile } from '../../src/execution/patient-file.ts';
import { canMount, SmallDisk } from '../support/small-disk.ts';

function fileOn(disk: SmallDisk, name = 'file'): { path: string; fd: number } {
  const path = join(disk.path, name);
  const fd = openSync(path, 'a+', 0o600);
  onTestFinished(() => closeSync(fd));
  return { path, fd };
}

describe.runIf(canMount())('an append-only file of ours', () => {
  it('keeps what a full disk does not take, and writes it before anything later', () => {
    const disk = SmallDisk.mount(1);
    const { path, fd } = fileOn(disk);
    const file = new PatientFile({ fd });
    file.append('one\n');
    disk.fill();
    // More than the rest of the page that the file has.
    const long = `${'x'.repeat(10_000)}\n`;
    file.append(long);
    file.append('two\n');
    expect(file.trouble).toMatchObject({ code: 'ENOSPC' });
    const cut = readFileSync(path, 'utf8');
    expect(cut.length).toBeGreaterThan('one\n'.length);
    expect(`one\n${long}two\n`.startsWith(cut)).toBe(true);
    expect(file.flush()).toBe(false);
    disk.free();
    expect(file.flush()).toBe(true);
    expect(file.trouble).toBeUndefined();
    file.append('three\n');
    expect(readFileSync(path, 'utf8')).toBe(`one\n${long}two\nthree\n`);
  });

  it('asks what must stand before an entry when it is written, not when it was given', () => {
    const disk = SmallDisk.mount(1);
    const { path, fd } = fileOn(disk);
    let before = 'early ';
    const file = new PatientFile({ fd, before: () => before });
    disk.fill();
    file.append('entry\n');
    before = 'late ';
    disk.free();
    file.flush();
    expect(readFileSync(path, 'utf8')).toBe('late entry\n');
  });

  it('gives up what is waiting, whole', () => {
    const disk = SmallDisk.mount(1);
    const { path, fd } = fileOn(disk);
    const file = new PatientFile({ fd });
    disk.fill();
    file.append('a\n');
    file.append('b\n');
    expect(file.takeWaiting()).toEqual(['a\n', 'b\n']);
    disk.free();
    expect([file.flush(), file.trouble, readFileSync(path, 'utf8')]).toEqual([true, undefined, '']);
  });

  it('does not keep without end', () => {
    const disk = SmallDisk.mount(1);
    const file = new PatientFile({ fd: fileOn(disk).fd });
    disk.fill();
    const fill = (): void => {
      for (let count = 0; count < 100; count += 1) file.append('y'.repeat(100_000));
    };
    expect(fill).toThrow('ENOSPC');
    expect(file.takeWaiting().join('').length).toBeLessThan(5_000_000);
  });

  it('is not spoiled by a line that somebody else left half written', () => {
    const disk = SmallDisk.mount(1);
    const { path, fd } = fileOn(disk);
    appendFileSync(path, 'half');
    const file = new PatientFile({ fd, before: () => (readFileSync(path, 'utf8').endsWith('\n') ? '' : '\n') });
    file.append('whole\n');
    expect(readFileSync(path, 'utf8')).toBe('half\nwhole\n');
  });
});
