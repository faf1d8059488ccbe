export type { HttpRequest, HttpResponse, HttpTransport, TransportOptions } from './types.ts';
