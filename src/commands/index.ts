import type { Command } from '@oclif/core';
import Agent from './agent/index.ts';
import AgentPlayground from './agent/playground.ts';
import AgentRun from './agent/run.ts';
import AgentServe from './agent/serve.ts';
import AgentStart from './agent/start.ts';
import AgentVersion from './agent/version.ts';
import Completion from './completion.ts';
import ConfigShow from './config/show.ts';
import Runner from './runner/index.ts';
import RunnerRegister from './runner/register.ts';
import RunnerSetup from './runner/setup.ts';
import RunnerStart from './runner/start.ts';
import RunnerUnregister from './runner/unregister.ts';
import Server from './server/index.ts';

/** Every command by its id; `:` stands between the words. */
export const commands: Readonly<Record<string, Command.Class>> = {
  agent: Agent,
  'agent:playground': AgentPlayground,
  'agent:run': AgentRun,
  'agent:serve': AgentServe,
  'agent:start': AgentStart,
  'agent:version': AgentVersion,
  completion: Completion,
  'config:show': ConfigShow,
  runner: Runner,
  'runner:register': RunnerRegister,
  'runner:setup': RunnerSetup,
  'runner:start': RunnerStart,
  'runner:unregister': RunnerUnregister,
  server: Server,
};
