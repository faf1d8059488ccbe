import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What the documents point at is there: files, and headings within them. */

const root = join(import.meta.dirname, '../..');
const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function headings(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchor(text ?? ''));
}

function problem(document: string, link: string): string | undefined {
  const [path = '', fragment] = link.split('#');
  const target = path === '' ? join(root, document) : resolve(root, dirname(document), path);
  if (!existsSync(target)) return `${document}: ${link} is not there`;
  if (fragment === undefined || !target.endsWith('.md') || headings(target).includes(fragment)) return undefined;
  return `${document}: ${link} has no such heading`;
}

describe('links', () => {
  it.each(documents)('of %s lead somewhere', (document) => {
    const text = readFileSync(join(root, document), 'utf8');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link ?? '')
      .filter((link) => !/^[a-z]+:/.test(link));
    expect(links.map((link) => problem(document, link)).filter((found) => found !== undefined)).toEqual([]);
  });

  it('of the README name every page of docs/', () => {
    const text = readFileSync(join(root, 'README.md'), 'utf8');
    const pages = documents.filter((name) => name.startsWith('docs/'));
    expect(pages.filter((page) => !text.includes(`(${page}`))).toEqual([]);
  });
});

describe('npm scripts', () => {
  it('that the documents name are in package.json', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = documents.flatMap((document) =>
      [...readFileSync(join(root, document), 'utf8').matchAll(/npm run ([a-z\d:-]+)/g)].map(([, name]) => name ?? ''),
    );
    expect([...new Set(named)].filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});
