import { resolve } from 'node:path';

/**
 * The little that is remembered between two commands of one user: the configuration file used last, so that `runner start`
 * finds what `runner setup` wrote. Losing it, or a home that cannot be written, must never stop a command.
 */
interface CliState {
  lastConfigFile?: string;
}

async function open() {
  // Loaded only where it is needed: it costs a third of a command's start-up time.
  const { default: Conf } = await import('conf');
  return new Conf<CliState>({
    projectName: 'semaphore',
    projectSuffix: '',
    configName: 'state',
    configFileMode: 0o600,
    clearInvalidConfig: true,
  });
}

export async function lastConfigFile(): Promise<string | undefined> {
  try {
    return (await open()).get('lastConfigFile');
  } catch {
    // No readable home: nothing is remembered.
    return undefined;
  }
}

export async function rememberConfigFile(file: string): Promise<void> {
  try {
    const state = await open();
    if (state.get('lastConfigFile') !== resolve(file)) state.set('lastConfigFile', resolve(file));
  } catch {
    // No writable home (a service user, a container): the next command needs --config, as it would without us.
  }
}
