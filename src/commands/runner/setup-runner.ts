import { resolve } from 'node:path';
import {
  askForSetup,
  chooseQuestions,
  findRegistrationToken,
  isThere,
  print,
  readStandardInput,
  rememberConfigFile,
  requireToken,
  writeSetup,
} from '../../cli/index.ts';
import type { GivenAnswers, GlobalFlags, Questions, SetupAnswers, SetupChecks } from '../../cli/index.ts';
import { loadRunnerConfig, type LoadedConfig } from '../../config/index.ts';
import { UserError } from '../../lib/index.ts';
import { checkServer, checkToken, registerRunner } from '../../runner/index.ts';
import { placeOf, storeToken } from '../../secrets/index.ts';

export interface SetupFlags extends GlobalFlags {
  'server-url'?: string | undefined;
  'token-file'?: string | undefined;
  'stdin-runner-token'?: boolean;
  'registration-token-file'?: string | undefined;
  'stdin-registration-token'?: boolean;
  name?: string | undefined;
  tags?: string[] | undefined;
  'project-id'?: number | undefined;
  'max-parallel-tasks'?: number | undefined;
  yes?: boolean;
  force?: boolean;
}

/** `runner setup`. Returns the exit code. */
export async function setup(flags: SetupFlags): Promise<number> {
  const cwd = process.cwd();
  // Answers piped in cannot come from where the token comes from.
  const silent =
    flags.yes === true || flags['stdin-runner-token'] === true || flags['stdin-registration-token'] === true;
  const { questions, close } = await chooseQuestions(silent);
  try {
    const file = flags.config === undefined ? undefined : resolve(cwd, flags.config);
    if (file !== undefined) await mayChange(file, flags, questions);
    const given = await givenAnswers(flags, file);
    const defaultUrl = silent ? undefined : 'http://localhost:3000';
    const answers = await keepOldToken(await askForSetup(given, { questions, checks, defaultUrl, cwd }));
    if (file === undefined) await mayChange(answers.file, flags, questions);
    await writeSetup(answers, {
      'runner.project_id': flags['project-id'],
      'runner.max_parallel_tasks': flags['max-parallel-tasks'],
    });
    questions.tell(`Configuration written to ${answers.file}..`);
    await rememberConfigFile(answers.file);
    await finish(answers, questions);
  } finally {
    close();
  }
  return 0;
}

async function givenAnswers(flags: SetupFlags, file: string | undefined): Promise<GivenAnswers> {
  const registers = flags['registration-token-file'] !== undefined || flags['stdin-registration-token'] === true;
  const answers: Record<keyof SetupAnswers, SetupAnswers[keyof SetupAnswers]> = {
    serverUrl: flags['server-url'],
    tokenFile: flags['token-file'] === undefined ? undefined : resolve(flags['token-file']),
    runnerToken:
      flags['stdin-runner-token'] === true ? requireToken(await readStandardInput(), 'standard input') : undefined,
    registrationToken: registers ? await findRegistrationToken(flags, await environmentOnly({})) : undefined,
    name: flags.name,
    tags: flags.tags,
    file,
  };
  return Object.fromEntries(Object.entries(answers).filter(([, value]) => value !== undefined));
}

/** An existing file may hold what nobody wants to lose. Throws UserError when it is not to be touched. */
async function mayChange(file: string, flags: SetupFlags, questions: Questions): Promise<void> {
  if (flags.force === true || !(await isThere(file))) return;
  const change =
    questions.canAskAgain &&
    (await questions.confirm(`${file} is there already. Change it? Its other keys and comments stay.`, false));
  if (!change)
    throw new UserError(`${file} is there already`, {
      hint: 'Change it with --force, or name another one with --config.',
    });
}

/** A token that the file holds already moves to the token file that is wanted now. */
async function keepOldToken(answers: SetupAnswers): Promise<SetupAnswers> {
  const { file, tokenFile, runnerToken } = answers;
  if (tokenFile === undefined || runnerToken !== undefined || !(await isThere(file))) return answers;
  const { config } = await loadRunnerConfig({ configPath: file, env: {}, cwd: process.cwd() });
  return { ...answers, runnerToken: config.runner.tokenFile === undefined ? config.runner.token : undefined };
}

/** How the server is reached before there is a file: certificates, proxies and time-outs come from variables. */
async function environmentOnly(flags: Readonly<Record<string, unknown>>): Promise<LoadedConfig> {
  return await loadRunnerConfig({ noConfig: true, env: process.env, cwd: process.cwd(), flags });
}

const checks: SetupChecks = {
  server: async (url) => {
    await checkServer({ loaded: await environmentOnly({ web_host: url }), env: process.env });
  },
  token: async (url, token) => {
    await checkToken({ loaded: await environmentOnly({ web_host: url }), env: process.env, token });
  },
};

/** Stores the token that was entered, or registers; then tells how to go on. */
async function finish(
  { file, tokenFile, runnerToken, registrationToken }: SetupAnswers,
  questions: Questions,
): Promise<void> {
  if (runnerToken !== undefined && tokenFile !== undefined) {
    await storeToken({ kind: 'file', path: tokenFile }, runnerToken);
  }
  if (registrationToken !== undefined) {
    const loaded = await loadRunnerConfig({ configPath: file, env: process.env, cwd: process.cwd() });
    const done = questions.progress('Registering');
    try {
      const home = await registerRunner({ loaded, registrationToken, env: process.env });
      done(`Registered; the token is in ${placeOf(home)}.`);
    } catch (error: unknown) {
      done('Not registered.');
      questions.tell(`The configuration is written. Try again with: semaphore runner register --config ${file}`);
      throw error;
    }
  }
  if (runnerToken === undefined && registrationToken === undefined) {
    print(`Register this runner with: semaphore runner register --config ${file}`);
  }
  print(`Start it with:             semaphore runner start --config ${file}`);
  print(`or in the background:      nohup semaphore runner start --config ${file} &`);
}
