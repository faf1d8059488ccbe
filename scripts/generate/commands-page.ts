import { helpPage } from '../../src/cli/index.ts';
import { commands } from '../../src/commands/index.ts';

/** `docs/commands.md`: the help of every command, as it is printed. */
export function commandsPage(): string {
  const style = { width: 100, heading: (text: string) => text };
  const pages = Object.keys(commands)
    .sort()
    .map((id) => id.split(':'))
    .map((words) => `## semaphore ${words.join(' ')}\n\n\`\`\`text\n${helpPage(words, commands, style) ?? ''}\`\`\`\n`);
  return `# Commands

This page is generated (\`npm run generate\`) from what \`semaphore COMMAND --help\` prints. Exit codes: [exit-codes.md](exit-codes.md).

${pages.join('\n')}`;
}
