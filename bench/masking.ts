import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { ByteWriter } from '../src/lib/index.ts';
import { createMasker, LogCursor, TimeMarks, type Masker } from '../src/logs/index.ts';
import type { Figure } from './table.ts';
import { Workbench } from './workbench.ts';

const megabytes = 32;
const rounds = 9;
const windowBytes = 256 * 1024;

/** Deterministic, so that two runs measure the same text. */
const pick = (seed: number, count: number): number =>
  createHash('md5').update(String(seed)).digest().readUInt32LE(0) % count;
const id = (seed: number): string => createHash('sha1').update(String(seed)).digest('hex');

/** Lines of Ansible, apt, Terraform, npm and of programs that log JSON, in the proportions of a deployment. */
const lines: readonly ((seed: number) => string)[] = [
  (n) => `TASK [role_${pick(n, 40)} : Install package number ${pick(n, 900)}] ${'*'.repeat(50)}`,
  (n) => `\u001B[0;32mok: [web${pick(n, 30)}.example.com] => (item=package-${pick(n, 500)})\u001B[0m`,
  (n) => `\u001B[0;33mchanged: [db${pick(n, 9)}.example.com]\u001B[0m`,
  (n) => `\u001B[0;36mskipping: [web${pick(n, 30)}.example.com]\u001B[0m`,
  (n) =>
    `Get:${pick(n, 80)} http://archive.example.com/debian stable/main amd64 lib${id(n).slice(0, 8)} 1.${pick(n, 20)}-1 [${pick(n, 4000)} kB]`,
  (n) => `Unpacking lib${id(n).slice(0, 8)} (2.${pick(n, 30)}.${pick(n, 9)}) over (2.${pick(n, 30)}.0) ...`,
  (n) => `  + resource "aws_instance" "node_${pick(n, 50)}" { ami = "ami-${id(n).slice(0, 17)}", monitoring = true }`,
  (n) => `aws_security_group.rule[${pick(n, 99)}]: Refreshing state... [id=sg-${id(n).slice(0, 17)}]`,
  (n) =>
    `{"time":"2026-10-10T08:${10 + pick(n, 49)}:02.114Z","level":"info","message":"request finished","path":"/api/v2/items/${pick(n, 9999)}","ms":${pick(n, 900)}}`,
  (n) =>
    `    at Object.<anonymous> (/srv/app/node_modules/library-${pick(n, 300)}/lib/index.js:${pick(n, 900)}:${pick(n, 80)})`,
  (n) => `sha256:${id(n)}${id(n + 1).slice(0, 24)}: Pull complete`,
  (n) =>
    `The step number ${n} has finished without errors; ${pick(n, 500)} files were copied to the destination directory.`,
];

function realisticLog(bytes: number): Buffer {
  const block: string[] = [];
  for (let size = 0, n = 0; size < 4_000_000; n += 1) {
    const line = lines[pick(n * 7, lines.length)]?.(n) ?? '';
    block.push(line);
    size += line.length + 1;
  }
  const text = Buffer.from(`${block.join('\n')}\n`);
  const whole = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += text.length) text.copy(whole, at);
  return whole;
}

/** Passwords, tokens and identifiers as projects have them. */
function manySecrets(count: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const hex = id(n + 1_000_000);
    const forms = [
      `Pw-${hex.slice(0, 9)}!`,
      hex,
      `ghp_${hex.slice(0, 36)}`,
      Buffer.from(hex, 'hex').toString('base64'),
      hex.slice(0, 12),
    ];
    return forms[n % forms.length] ?? hex;
  });
}

/**
 * How fast 250 secrets are looked for in all forms, in a log that has none of them, in nothing but letters of base64, and in
 * one where every hundredth line has a secret. Floor: the follower reading the same file without secrets.
 */
export async function masking(): Promise<Figure[]> {
  const bench = new Workbench();
  try {
    const secrets = manySecrets(250);
    const start = performance.now();
    const masker = createMasker(secrets, 4);
    const buildMs = performance.now() - start;
    const log = realisticLog(megabytes * 1_000_000);
    const letters = Buffer.from(randomBytes(6_000_000).toString('base64'));
    const withSecrets = Buffer.from(`${`${lines[1]?.(1)}\n`.repeat(99)}login ${secrets[7]} ok\n`.repeat(900));
    const path = bench.write('output.log', '');
    writeFileSync(path, log);

    const best = { find: 0, masked: 0, bare: 0, letters: 0, withSecrets: 0 };
    // Side by side, so that a busy moment of the machine meets all of them.
    for (let round = 0; round < rounds; round += 1) {
      best.bare = Math.max(
        best.bare,
        rate(log.length, () => follow(path, createMasker([], 4))),
      );
      best.find = Math.max(
        best.find,
        rate(log.length, () => find(masker, log)),
      );
      best.masked = Math.max(
        best.masked,
        rate(log.length, () => follow(path, masker)),
      );
      best.letters = Math.max(
        best.letters,
        rate(letters.length, () => find(masker, letters)),
      );
      best.withSecrets = Math.max(
        best.withSecrets,
        rate(withSecrets.length, () => find(masker, withSecrets)),
      );
    }
    const floor = best.bare;
    return [
      { name: 'looking for 250 secrets in all forms', value: best.find, unit: 'MB/s', goal: { atLeast: 200 }, floor },
      { name: 'the same: the follower with it', value: best.masked, unit: 'MB/s', floor },
      { name: 'the same in letters of base64', value: best.letters, unit: 'MB/s' },
      { name: 'the same with a secret in every hundredth line', value: best.withSecrets, unit: 'MB/s' },
      { name: 'making the masker', value: buildMs, unit: 'ms' },
    ];
  } finally {
    await bench.close();
  }
}

/** Megabytes a second. */
function rate(bytes: number, work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return bytes / 1e6 / (Number(process.hrtime.bigint() - start) / 1e9);
}

function find(masker: Masker, text: Buffer): void {
  for (let at = 0; at < text.length; at += windowBytes) masker.find(text.subarray(at, at + windowBytes));
}

/** As the reporter reads a log, in requests of 4 MB. */
function follow(path: string, masker: Masker): void {
  const fd = openSync(path, 'r');
  const cursor = new LogCursor({
    fd,
    marks: new TimeMarks(),
    masker: () => masker,
    maxLineBytes: 65_536,
    now: () => 0,
  });
  const writer = new ByteWriter(5_000_000);
  for (let more = true; more;) {
    writer.truncate(0);
    const batch = cursor.read(writer, 4_000_000, true);
    cursor.commit(batch);
    more = batch.count > 0;
  }
  closeSync(fd);
}
