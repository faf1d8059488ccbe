/**
 * The environment for tests, demo and benchmark: what the person has set up for their own git, ssh, proxy or Node.js must
 * neither help nor harm. NODE_EXTRA_CA_CERTS alone doubles the start of every Node.js 20 process.
 */
export function isolatedEnv() {
  const kept = Object.entries(process.env).filter(([name]) => !personal.test(name));
  return {
    ...Object.fromEntries(kept),
    TZ: 'UTC',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
  };
}

const personal =
  /^(npm_.*|SEMAPHORE_.*|GIT_.*|ANSIBLE_.*|SSH_.*|NODE_OPTIONS|NODE_PATH|NODE_ENV|NODE_EXTRA_CA_CERTS|(https?|all|no)_proxy)$/i;
