import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf, RemoteError, UserError } from '../../lib/index.ts';
import type { Questions } from './questions.ts';

/** What the configuration is made of. */
export interface SetupAnswers {
  serverUrl: string;
  /** File that keeps the token; undefined: the configuration file does. */
  tokenFile: string | undefined;
  runnerToken: string | undefined;
  /** Present when the runner is to be registered now. */
  registrationToken: string | undefined;
  name: string | undefined;
  tags: readonly string[] | undefined;
  /** Configuration file to write, absolute. */
  file: string;
}

/** Answers that flags have given already; an absent key is asked for. */
export type GivenAnswers = Partial<SetupAnswers>;

/** Questions to the server, so that a wrong answer is noticed at once. Each throws what is wrong. */
export interface SetupChecks {
  server(url: string): Promise<void>;
  token(url: string, token: string): Promise<void>;
}

export interface AskContext {
  questions: Questions;
  checks: SetupChecks;
  /** Offered for the server; undefined: there is none, and nobody to ask. */
  defaultUrl: string | undefined;
  cwd: string;
}

/** Asks for what is missing, in the order of the original (spec 1.6). Throws UserError, RemoteError or Cancelled. */
export async function askForSetup(given: GivenAnswers, context: AskContext): Promise<SetupAnswers> {
  const { questions, cwd } = context;
  const serverUrl = await askServer(given.serverUrl, context);
  const tokenFile = given.tokenFile ?? (await askTokenFile(context));
  let runnerToken = given.runnerToken;
  let { registrationToken } = given;
  if (runnerToken !== undefined) await acceptToken(serverUrl, runnerToken, context);
  else if (registrationToken === undefined) {
    if (await questions.confirm("Do you have runner's token?", false)) {
      runnerToken = await askRunnerToken(serverUrl, context);
    } else if (await questions.confirm('Do you want to register new runner on the server?', questions.canAskAgain)) {
      registrationToken = await questions.text({ message: 'Enter runner registration token', secret: true });
    }
  }
  const asksMore = questions.canAskAgain && registrationToken !== undefined;
  const name =
    given.name ??
    (asksMore ? await questions.text({ message: 'Name of this runner', byDefault: hostname() }) : undefined);
  const tags = given.tags ?? (asksMore ? await askTags(questions) : undefined);
  const file = given.file ?? join(await askDirectory(questions, cwd), 'config.runner.json');
  return { serverUrl, tokenFile, runnerToken, registrationToken, name, tags, file };
}

async function askServer(given: string | undefined, context: AskContext): Promise<string> {
  const { questions, defaultUrl } = context;
  let url = given;
  for (;;) {
    url ??= await questions.text({
      message: 'Semaphore server URL',
      validate: urlProblem,
      ...(defaultUrl === undefined ? {} : { byDefault: defaultUrl }),
    });
    const problem = urlProblem(url);
    if (problem !== undefined) throw new UserError(`${JSON.stringify(url)} is no server: ${problem}`);
    if (await isReachable(url, context)) return url.replace(/\/+$/, '');
    url = undefined;
  }
}

function urlProblem(text: string): string | undefined {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return undefined;
  return 'a URL begins with http:// or https://, for example https://semaphore.example.com';
}

/** Only a person can be asked whether an unreachable server is meant all the same; a script is told and goes on. */
async function isReachable(url: string, { questions, checks }: AskContext): Promise<boolean> {
  const done = questions.progress(`Looking for a Semaphore server at ${url}`);
  try {
    await checks.server(url);
    done('The server answers.');
    return true;
  } catch (error: unknown) {
    if (!(error instanceof RemoteError)) throw error;
    done('No success.');
    questions.tell(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    return !questions.canAskAgain || (await questions.confirm('Use this URL all the same?', false));
  }
}

async function askTokenFile({ questions, cwd }: AskContext): Promise<string | undefined> {
  if (!(await questions.confirm('Do you want to store token in external file?', false))) return undefined;
  const message = 'Path to the file where runner token will be stored';
  return resolve(cwd, await questions.text({ message, byDefault: join(cwd, 'runner.token') }));
}

async function askRunnerToken(url: string, context: AskContext): Promise<string> {
  for (;;) {
    const token = await context.questions.text({ message: 'Enter valid runner token', secret: true });
    if (await acceptToken(url, token, context)) return token;
  }
}

/** False when the server refused the token and another one can be asked for. Throws RemoteError when it cannot. */
async function acceptToken(url: string, token: string, { questions, checks }: AskContext): Promise<boolean> {
  const done = questions.progress('Asking the server about the token');
  try {
    await checks.token(url, token);
    done('The server accepts the token.');
    return true;
  } catch (error: unknown) {
    if (!(error instanceof RemoteError)) throw error;
    const refused = error.kind === 'unauthorized' || error.kind === 'not_found';
    done(refused ? 'The server refuses the token.' : 'The token could not be checked.');
    if (refused && !questions.canAskAgain) throw error;
    questions.tell(messageOf(error));
    return !refused;
  }
}

async function askTags(questions: Questions): Promise<readonly string[] | undefined> {
  const none = 'none';
  const answer = await questions.text({ message: 'Tags of this runner, separated by commas', byDefault: none });
  const tags = answer
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
  return answer === none ? undefined : tags;
}

async function askDirectory(questions: Questions, cwd: string): Promise<string> {
  return resolve(cwd, await questions.text({ message: 'Config output directory', byDefault: cwd }));
}
