import { UserError } from '../../lib/index.ts';

/** The URL of a path of the server; `web_host` may end with slashes. Throws UserError when it is no http(s) URL. */
export function serverUrl(webHost: string, path: string): string {
  const url = URL.canParse(webHost) ? new URL(webHost) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return webHost.replace(/\/+$/, '') + path;
  throw new UserError(`the URL of the server is not an http or https URL: ${webHost.replace(/\/\/[^/]*@/, '//')}`, {
    hint: 'It looks like https://semaphore.example.com.',
  });
}
