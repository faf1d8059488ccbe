export { announcement } from './announcement.ts';
export { startServer, type RunningServer, type StartServerOptions } from './start.ts';
