import type { RunningServer } from './start.ts';

/** What the owner of a server wants to see when it has started: where it is, and how a runner comes to it. */
export function announcement(server: RunningServer): string[] {
  const { counts } = server;
  return [
    `Semaphore server listening on ${server.url}`,
    `  configuration  ${server.configFile} (${plural(counts.projects, 'project')}, ${plural(counts.templates, 'template')}, ${plural(counts.schedules, 'schedule')})`,
    `  data           ${server.dataDir}`,
    `  API token      ${server.apiTokenFile === undefined ? 'from api_tokens in the server file' : `in ${server.apiTokenFile}`}`,
    `  registration   ${server.registrationTokenFile === undefined ? 'token from runners.registration_token in the server file' : `token in ${server.registrationTokenFile}`}`,
    `  runners        ${counts.runners === 0 ? 'none yet; to register and start one:' : `${counts.runners} registered; to add one:`}`,
    '',
    `    ${runnerCommand(server)}`,
    '',
  ];
}

/** One line to copy and paste: it registers, unless that was done before, and starts the runner. */
function runnerCommand({ publicUrl, registrationTokenFile }: RunningServer): string {
  const environment = `SEMAPHORE_WEB_ROOT=${publicUrl} SEMAPHORE_RUNNER_TOKEN_FILE=runner.token`;
  const command = `${environment} semaphore runner start --no-config --register`;
  return registrationTokenFile === undefined
    ? `echo "$REGISTRATION_TOKEN" | ${command} --stdin-registration-token`
    : `${command} --registration-token-file ${quoted(registrationTokenFile)}`;
}

function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
