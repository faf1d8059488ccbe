import { describe, expect, it } from 'vitest';
import { composeFile, labelsFile, type JobContainer } from '../../src/executors/compose-executor/compose-file.ts';
import { composeVersion } from '../../src/executors/compose-executor/detect-compose.ts';
import { placeFile } from '../../src/executors/compose-executor/place-file.ts';
import { makeProjectName, ownerOf } from '../../src/executors/compose-executor/project-name.ts';
import { yamlText } from '../../src/executors/compose-executor/yaml-text.ts';
import { variable } from '../agent/job-setup.ts';

function container(name: string, more: Partial<JobContainer> = {}): JobContainer {
  return { name, image: 'busybox', command: '', entrypoint: '', user: '', variables: [], ...more };
}

describe('the file for compose (spec CI 6.2)', () => {
  it('is that of the original, letter by letter, where nothing needs quotes', () => {
    const containers = [
      container('main', { image: 'registry.example.test/node:20', variables: [variable('NODE_ENV', 'test')] }),
      container('db', {
        image: 'postgres:16',
        command: 'postgres -c fsync=off',
        user: 'postgres',
        entrypoint: '/usr/local/bin/docker-entrypoint.sh',
        variables: [variable('POSTGRES_PASSWORD', 'pw')],
      }),
    ];
    const mounts = [{ hostPath: '/etc/ci/ca.pem', destination: '/etc/ssl/ca.pem' }];
    expect(composeFile(containers, { kvm: false, mounts })).toBe(`version: "2.0"

services:
  main:
    image: registry.example.test/node:20
    environment:
      - NODE_ENV=test
    links:
      - db
    volumes:
      - /etc/ci/ca.pem:/etc/ssl/ca.pem

  db:
    image: postgres:16
    command: postgres -c fsync=off
    user: postgres
    entrypoint: /usr/local/bin/docker-entrypoint.sh
    environment:
      - POSTGRES_PASSWORD=pw

`);
  });

  it('gives /dev/kvm to every container after its image, and leaves out what is not set', () => {
    expect(composeFile([container('main'), container('db')], { kvm: true, mounts: [] })).toBe(`version: "2.0"

services:
  main:
    image: busybox
    devices:
      - "/dev/kvm:/dev/kvm"
    links:
      - db

  db:
    image: busybox
    devices:
      - "/dev/kvm:/dev/kvm"

`);
  });

  it('quotes and escapes every value that YAML or compose would understand otherwise', () => {
    const text = composeFile(
      [
        container('on', {
          user: '1000',
          command: `sh -c "echo $HOME: #1"`,
          variables: [
            variable('A', 'two\nlines\n'),
            variable('B', 'a: b # c'),
            variable('C', '$HOME ${HOME} $$'),
            variable('D', ''),
            variable('E', 'ä€😀\u2028\u0085\uFEFF\u0001'),
            variable('F', '\'"\\'),
            { name: 'G', value: 'not base64' },
            variable('H', ' lead and trail '),
          ],
        }),
      ],
      { kvm: false, mounts: [{ hostPath: '/a b/$c', destination: '/d: e' }] },
    );
    expect(text.split('\n').slice(3, -2)).toEqual([
      '  "on":',
      '    image: busybox',
      String.raw`    command: "sh -c \"echo $$HOME: #1\""`,
      '    user: "1000"',
      '    environment:',
      String.raw`      - "A=two\nlines\n"`,
      '      - "B=a: b # c"',
      '      - "C=$$HOME $${HOME} $$$$"',
      '      - D=',
      String.raw`      - "E=ä€😀\u2028\u0085\ufeff\u0001"`,
      String.raw`      - "F='\"\\"`,
      '      - G=',
      '      - "H= lead and trail "',
      '    volumes:',
      '      - "/a b/$$c:/d: e"',
    ]);
  });

  it('has labels in a file of its own', () => {
    expect(labelsFile([container('main'), container('db')], { 'semaphore.job': 'a$b' })).toBe(`version: "2.0"

services:
  main:
    labels:
      - "semaphore.job=a$$b"

  db:
    labels:
      - "semaphore.job=a$$b"

`);
  });

  it.each(['a', 'a b', 'a:b', 'x=1', '/p.q', 'a,b'])('leaves %j as it is', (text) => expect(yamlText(text)).toBe(text));

  it.each([
    '',
    '1',
    '1.5',
    'yes',
    'Null',
    '~',
    '-',
    '- a',
    'a: b',
    'a:',
    'a #b',
    'a ',
    ' a',
    '{a}',
    '[a]',
    '*a',
    '&a',
    '!a',
    '%a',
    '@a',
    '`a`',
    'a\tb',
    '0x1',
    '.inf',
    '2001-01-01',
    'a  b',
    '"a"',
    "it's",
    '?',
    '>',
    '|',
  ])('quotes %j', (text) => expect(yamlText(text)).toBe(JSON.stringify(text)));

  it('writes half of a surrogate pair as what it is: no character', () => {
    expect(yamlText('a\uD83D')).toBe('"a\uFFFD"');
  });
});

describe('the version of docker compose', () => {
  it.each([
    ['Docker Compose version v2.24.0\n', 'v2.24.0'],
    ['\nDocker Compose version v5.0.1-desktop.2\n', 'v5.0.1-desktop.2'],
    ['Docker Compose version 2.26.1-4\n', '2.26.1-4'],
    ['docker-compose version 1.29.2, build unknown', '1.29.2'],
    ['docker-compose version 1.8.0, build 94f7016\ndocker-py version: 1.9.0\n', '1.8.0'],
    ['docker-compose version: 1.3.1\n', '1.3.1'],
    ['podman-compose version 1.0.6\n', undefined],
    ["docker: 'compose' is not a docker command.", undefined],
  ])('is read from %j', (text, version) => expect(composeVersion(text)).toBe(version));
});

describe('where a file of the job goes in the container (spec CI 4.4)', () => {
  const copy = (path: string): string | undefined =>
    /cp -- \/s (.*)\)$/.exec(placeFile({ path, mode: '0644' }, '/s')[1]?.directive ?? '')?.[1];

  it.each([
    ['/opt/ci/run.sh', '/opt/ci/run.sh'],
    ['~/.npmrc', '~/.npmrc'],
    ['relative/note.txt', '~/relative/note.txt'],
    ['/a b/$(id)/"c"', `'/a b/$(id)/"c"'`],
    ["~/it's", `~/'it'"'"'s'`],
    ['~other/x y', `~other/'x y'`],
    ['a~b', '~/a~b'.replace('a~b', `'a~b'`)],
  ])('%s', (path, word) => expect(copy(path)).toBe(word));

  it('hands the mode to chmod as it is', () => {
    expect(placeFile({ path: '/a', mode: '+x; id' }, '/s')[2]).toEqual({
      directive: `\\command chmod -- '+x; id' /a`,
      failure: 'Failed to set file mode to +x; id\n',
    });
  });
});

describe('the name of a project', () => {
  it('tells whether the agent that made it lives', () => {
    const name = makeProjectName();
    expect(name).toMatch(/^[a-z0-9][a-z0-9_-]{0,62}$/);
    expect(ownerOf(name)).toBe('lives');
    const [, , host = '', boot = '', namespace = '', pid = '', started = ''] = name.split('-');
    const other = (parts: Partial<Record<'host' | 'boot' | 'namespace' | 'pid' | 'started', string>>): string => {
      const all = { host, boot, namespace, pid, started, ...parts };
      return `semaphore-ci-${all.host}-${all.boot}-${all.namespace}-${all.pid}-${all.started}-abcdef`;
    };
    expect(ownerOf(other({}))).toBe('lives');
    expect(ownerOf(other({ started: '1' }))).toBe('dead');
    expect(ownerOf(other({ pid: '4194305' }))).toBe('dead');
    expect(ownerOf(other({ boot: '000000' }))).toBe('dead');
    expect(ownerOf(other({ boot: '000000', host: '000000' }))).toBe('foreign');
    expect(ownerOf(other({ namespace: 'abc' }))).toBe('foreign');
    expect(ownerOf('semaphore-ci-mine')).toBeUndefined();
    expect(ownerOf('shop')).toBeUndefined();
  });
});
