import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { tempDir } from './temp-dir.ts';

/** True where file systems can be mounted. Else throws where `CI` is set; elsewhere says loudly that tests are not run. */
export function canMount(): boolean {
  const found = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { encoding: 'utf8' });
  if (found.status === 0) return true;
  const text = `Only root can mount file systems (${found.stderr?.trim() ?? found.error?.message}): tests with small disks are not run.`;
  if (process.env.CI) throw new Error(text);
  process.stderr.write(`\n!!! ${text}\n\n`);
  return false;
}

/** A real file system of a few megabytes, unmounted with the test. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** In memory. */
  static mount(megabytes: number): SmallDisk {
    const path = tempDir('small-disk-');
    mount('-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', path);
    return new SmallDisk(path);
  }

  /** In a file; one that can break. */
  static mountExt4(megabytes: number): SmallDisk {
    const path = tempDir('small-disk-');
    const image = join(tempDir('small-disk-image-'), 'image');
    closeSync(openSync(image, 'w'));
    truncateSync(image, megabytes * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', '-m', '0', image]);
    mount('-o', 'loop', image, path);
    return new SmallDisk(path);
  }

  /** Fills it to the last byte, or up to so many megabytes. */
  fill(leftMegabytes = 0): void {
    const fd = openSync(join(this.path, ballast), 'a', 0o600);
    const block = Buffer.alloc(4096);
    try {
      while (this.freeBytes > leftMegabytes * 1024 * 1024) writeSync(fd, block);
    } catch (error: unknown) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Gives the space back. */
  free(): void {
    rmSync(join(this.path, ballast), { force: true });
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Refuses all writing; not while a file is open for writing. */
  makeReadOnly(): void {
    mount('-o', 'remount,ro', this.path);
  }

  makeWritable(): void {
    mount('-o', 'remount,rw', this.path);
  }

  /** What the kernel does to an ext4 on a disk that fails: read-only from one moment to the next, also for files that are open. */
  break(): void {
    mount('-o', 'remount,abort', this.path);
  }
}

const ballast = 'ballast';

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const path = args.at(-1) ?? '';
  if (args.includes('-t') || args.includes('loop')) {
    // Lazily: a process that the test has just killed may still be there.
    onTestFinished(() => void execFileSync('umount', ['--lazy', path]));
  }
}
