import { UserError } from '../lib/index.ts';

/**
 * The error for a command that does not exist; `words` as typed, `known` as ids (`runner:start`). Its hint names the
 * command that was probably meant.
 */
export async function unknownCommand(words: string, known: readonly string[]): Promise<UserError> {
  const complete = known.find(
    (id) => words.startsWith(`${id.replaceAll(':', ' ')} `) && !known.some((other) => other.startsWith(`${id}:`)),
  );
  if (complete !== undefined) {
    const command = complete.replaceAll(':', ' ');
    return new UserError(`unexpected argument: ${words.slice(command.length + 1)}`, {
      hint: `See: semaphore ${command} --help`,
    });
  }
  const { nearestName } = await import('../config/index.ts');
  const names = known.map((id) => id.replaceAll(':', ' '));
  const [last = '', ...above] = words.split(' ').reverse();
  const topic = above
    .reverse()
    .map((word) => `${word} `)
    .join('');
  const neighbours = names.filter((name) => name.startsWith(topic)).map((name) => name.slice(topic.length));
  const nearest = nearestName(last, neighbours);
  return new UserError(`unknown command: semaphore ${words}`, {
    hint: nearest === undefined ? `See: semaphore ${topic}--help` : `Did you mean: semaphore ${topic}${nearest}?`,
  });
}
