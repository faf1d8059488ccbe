/** What to do when the system has run out of something, or refuses all writing, by the code of its error. One sentence. */
export function shortageHint(code: string | undefined): string | undefined {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return "Free space on the runner's disks (state_dir, tmp_path, temporary files).";
    case 'EROFS':
    case 'EIO':
      return 'See the kernel log for what is wrong with the disk, then mount it writable.';
    case 'EMFILE':
    case 'ENFILE':
      return 'Allow more open files (LimitNOFILE of the systemd unit, ulimit -n), or run fewer tasks at a time (runner.max_parallel_tasks).';
    case 'EAGAIN':
    case 'ENOMEM':
      return 'Allow more processes (TasksMax and LimitNPROC of the systemd unit, ulimit -u) or more memory, or run fewer tasks at a time (runner.max_parallel_tasks).';
    default:
      return undefined;
  }
}
