/**
 * Parses YAML as Kubernetes' own tools do: `0400` is octal, as in modes, and `<<` merges. Throws the parser's error, which names line and
 * column.
 */
export async function parseKubernetesYaml(text: string): Promise<unknown> {
  const { parse } = await import('yaml');
  return parse(text, {
    merge: true,
    customTags: (tags) => [
      {
        tag: 'tag:yaml.org,2002:int',
        default: true,
        test: /^0[0-7]+$/,
        resolve: (digits: string) => Number.parseInt(digits, 8),
      },
      ...tags,
    ],
  }) as unknown;
}
