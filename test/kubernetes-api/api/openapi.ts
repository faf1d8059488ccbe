import { resourceTypes } from '../objects/resources.ts';
import type { Shape } from '../objects/shape.ts';

/** The OpenAPI document, as far as `kubectl apply` reads it: that the server checks fields itself, and how lists are merged. */

export const openApiIndex = { paths: { 'api/v1': { serverRelativeURL: '/openapi/v3/api/v1' } } };

export function openApiDocument(): unknown {
  const types = resourceTypes.filter(({ group }) => group === '');
  const paths = types.map((type) => {
    const collection = `/api/v1/${type.namespaced ? 'namespaces/{namespace}/' : ''}${type.plural}`;
    const group = { group: '', version: 'v1', kind: type.kind };
    const checked = [{ name: 'fieldValidation', in: 'query', schema: { type: 'string', uniqueItems: true } }];
    const operation = (action: string): unknown => ({
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': group,
      parameters: checked,
      responses: { '200': { description: 'OK' } },
    });
    return [
      [collection, { post: operation('post') }],
      [`${collection}/{name}`, { put: operation('put'), patch: operation('patch') }],
    ] as const;
  });
  const schemas = types.map((type) => [
    `io.k8s.api.core.v1.${type.kind}`,
    {
      ...(schemaOf(type.shape) as Record<string, unknown>),
      'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind: type.kind }],
    },
  ]);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes (stand-in)', version: 'unversioned' },
    paths: Object.fromEntries(paths.flat()),
    components: { schemas: Object.fromEntries(schemas) },
  };
}

function schemaOf(shape: Shape): unknown {
  switch (shape.type) {
    case 'string':
    case 'quantity':
    case 'bytes':
      return { type: 'string' };
    case 'integer':
    case 'boolean':
      return { type: shape.type };
    case 'intOrString':
      return { oneOf: [{ type: 'integer' }, { type: 'string' }] };
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    case 'list':
      return {
        type: 'array',
        items: schemaOf(shape.of),
        ...(shape.key !== undefined && {
          'x-kubernetes-patch-merge-key': shape.key,
          'x-kubernetes-patch-strategy': 'merge',
        }),
      };
    case 'map':
      return { type: 'object', additionalProperties: schemaOf(shape.of) };
    case 'object': {
      const fields = Object.entries(shape.fields).map(([name, field]) => [name, schemaOf(field)]);
      return { type: 'object', properties: Object.fromEntries(fields) };
    }
  }
}
