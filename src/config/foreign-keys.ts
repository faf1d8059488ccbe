/**
 * Names of the original that mean nothing to a runner. One file often serves server and runner, so they pass without a
 * warning.
 */

/** Never a key of the file since 2.10 (spec 2.3): the token comes from this variable, a file or standard input. */
export const registrationTokenVariable = 'SEMAPHORE_RUNNER_REGISTRATION_TOKEN';

/** Runner keys of 2.9 and older. */
const oldRunnerKeys = ['api_url', 'config_file', 'registration_token', 'runner_id'];

/** Variables that begin like ours, but belong to 2.9 or to the wrapper script of a container image. */
export const foreignRunnerVariables = [
  'SEMAPHORE_RUNNER_API_URL',
  'SEMAPHORE_RUNNER_CONFIG_FILE',
  'SEMAPHORE_RUNNER_ID',
  'SEMAPHORE_RUNNER_CONFIG',
];

/** Secrets of a server that may stand in the same environment; tasks must not see them either. */
export const serverSecretVariables = [
  'SEMAPHORE_ACCESS_KEY_ENCRYPTION',
  'SEMAPHORE_ADMIN_PASSWORD',
  'SEMAPHORE_COOKIE_ENCRYPTION',
  'SEMAPHORE_COOKIE_HASH',
  'SEMAPHORE_DB_PASS',
  'SEMAPHORE_EMAIL_PASSWORD',
  'SEMAPHORE_LDAP_BIND_PASSWORD',
  'SEMAPHORE_OIDC_PROVIDERS',
  'SEMAPHORE_TELEGRAM_TOKEN',
];

const serverKeys = [
  'access_key_encryption', 'address', 'alert_urls', 'auth', 'billing_enabled', 'bolt', 'concurrency_mode', 'cookie_encryption',
  'cookie_hash', 'database', 'debugging', 'demo_mode', 'dialect', 'dingtalk_alert', 'dingtalk_url', 'email_alert', 'email_host',
  'email_password', 'email_port', 'email_secure', 'email_sender', 'email_tls', 'email_tls_min_version', 'email_username',
  'encryption', 'git_client_config', 'gotify_alert', 'gotify_token', 'gotify_url', 'ha', 'integrations', 'interface', 'jwt',
  'ldap_binddn', 'ldap_bindpassword', 'ldap_enable', 'ldap_mappings', 'ldap_needtls', 'ldap_searchdn', 'ldap_searchfilter',
  'ldap_server', 'log', 'max_tasks_per_template', 'mcp', 'microsoft_teams_alert', 'microsoft_teams_url', 'mysql',
  'non_admin_can_create_project', 'oidc_providers', 'password_login_disable', 'playbook_path', 'port', 'postgres',
  'rocketchat_alert', 'rocketchat_url', 'runner_registration_token', 'runners', 'schedule', 'secret_storages',
  'session_max_age', 'slack_alert', 'slack_url', 'sqlite', 'subscription', 'teams', 'telegram_alert', 'telegram_chat',
  'telegram_token', 'tls', 'totp', 'use_remote_runner', 'webhook_alert',
]; // prettier-ignore

/** True for a key that the original knows elsewhere or knew earlier. */
export function isForeignKey(dotted: string): boolean {
  const key = dotted.toLowerCase();
  const [first = '', second = ''] = key.split('.');
  // `$schema` lets an editor find the JSON Schema.
  return key === '$schema' || serverKeys.includes(first) || (first === 'runner' && oldRunnerKeys.includes(second));
}
