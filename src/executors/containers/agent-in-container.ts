import { UserError } from '../../lib/index.ts';
import { opensshKeyText, type AgentKey } from '../../ssh/index.ts';
import { askContainer } from './asking.ts';
import type { ContainerRole, TaskContainers } from './engine.ts';
import { quoted } from './launch-text.ts';

/** There is no such program in the image. */
const missing = 127;

/**
 * Starts an agent and gives it the keys, unless an earlier runner has. The keys come on standard input, as the rest of this script, and
 * go to `ssh-add` the same way. Arguments: bytes of that rest, the socket, the directory of the steps, number of keys.
 */
const agentScript = String.raw`
  umask 077
  for need in ssh-agent ssh-add; do
    command -v "$need" >/dev/null || { echo "there is no $need" >&2; exit ${missing}; }
  done
  rest=$(head -c "$1")
  export SSH_AUTH_SOCK="$2"
  [ "$(ssh-add -l 2>/dev/null | grep -c .)" != "$4" ] || exit 0
  rm -f "$2"
  eval "$(ssh-agent -s -a "$2")" >/dev/null || exit
  # A tool that is being stopped may still need it.
  mkdir -p "$3" && : >"$3/companion.$SSH_AGENT_PID"
  give() { printf '%s\n' "$1" | ssh-add -q - || { kill "$SSH_AGENT_PID"; exit 1; }; }
  eval "$rest"
`;

export interface AgentOptions {
  containers: TaskContainers;
  /** In the private directory of the task. */
  socket: string;
  /** In the order in which they are offered. */
  keys: readonly AgentKey[];
  /** Where it is looked for, in this order, with the names of the images. */
  places: readonly { role: ContainerRole; image: string }[];
  signal: AbortSignal;
}

/**
 * An ssh-agent with these keys in the first of the places that has one; all processes of the task that see the socket can use it. Throws
 * UserError when no image has one, or it refuses a key.
 */
export async function startAgentInContainer(options: AgentOptions): Promise<void> {
  const { containers, keys, places, signal, socket } = options;
  const input = Buffer.from(keys.map((key) => `give ${quoted(opensshKeyText(key).trimEnd())}\n`).join(''), 'utf8');
  for (const { role } of places) {
    const args = [String(input.length), socket, `/workspace/.semaphore-${role}`, String(keys.length)];
    const answer = await askContainer({ containers, role, script: agentScript, args, input, signal });
    if (answer.code === 0) return;
    if (answer.code === missing) continue;
    const names = keys.map(({ comment }) => `"${comment}"`).join(', ');
    throw new UserError(
      `ssh-agent cannot be given the key ${names} (${answer.stderr.trim() || `code ${answer.code}`}).`,
      {
        hint: 'Its kind or length may not be allowed any more: make a new one with `ssh-keygen -t ed25519`.',
      },
    );
  }
  const images = places.map(({ image }) => image).join(' nor in ');
  throw new UserError(`There is no ssh-agent in the image ${images}.`, {
    hint: "SSH keys are used through OpenSSH's ssh-agent: take an image that has OpenSSH's client programs.",
  });
}
