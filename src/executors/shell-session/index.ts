export type { CommandTransport } from './command-transport.ts';
export type { OutputConsumer } from './output-chunks.ts';
export type { Look, OpenSessionProcess, SessionProcess } from './session-process.ts';
export { lookerCommand, ShellLooker, type LookerChannel, type OpenLooker } from './shell-looker.ts';
export { ShellSession, type CommandResult, type SessionSettings, type ShellSessionOptions } from './shell-session.ts';
export type { StartResult } from './shell-start.ts';
