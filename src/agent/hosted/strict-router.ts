import { posix } from 'node:path';
import { createRouter, type Router, type RouterOptions } from '../../http/index.ts';

const notFound = '404 page not found\n';

type Served = Pick<Router, 'route' | 'serve'>;

/**
 * The router of our servers with the manners of the original's (spec CI 3.1): a path with slashes too many is redirected to the one
 * without, HEAD is not GET, an unknown path and a wrong method have answers of their own. These come before any token is looked at.
 */
export function createStrictRouter(options: RouterOptions): Served {
  const inner = createRouter(options);
  const routes: { method: string; path: RegExp }[] = [];

  return {
    route: (method, pattern, handler, own) => {
      routes.push({ method, path: new RegExp(`^${pattern.replaceAll(/:\w+/g, '[^/]+')}$`) });
      inner.route(method, pattern, handler, own);
    },
    serve: async (request, response) => {
      const [asked = '', ...query] = (request.url ?? '').split('?');
      const path = posix.normalize(asked).replace(/(?<=.)\/$/, '');
      const known = routes.filter((route) => route.path.test(path));
      if (known.some(({ method }) => method === request.method) && asked === path) {
        return await inner.serve(request, response);
      }
      request.resume();
      if (known.length === 0) {
        const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': notFound.length };
        response.writeHead(404, headers).end(notFound);
      } else if (known.every(({ method }) => method !== request.method)) {
        response.writeHead(405, { allow: known.map(({ method }) => method).join(', '), 'content-length': 0 }).end();
      } else {
        response.writeHead(301, { location: [path, ...query].join('?'), 'content-length': 0 }).end();
      }
    },
  };
}
