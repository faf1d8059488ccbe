import { CronExpressionParser } from 'cron-parser';
import type { ServerConfig, ServerProblem } from '../../config/index.ts';
import { messageOf } from '../../lib/index.ts';

/** Cron expressions and time zones that do not exist. */
export function checkSchedules(config: ServerConfig): ServerProblem[] {
  const problems: ServerProblem[] = [];
  if (!isTimeZone(config.timezone)) problems.push({ path: ['timezone'], message: noTimeZone });
  for (const [index, project] of config.projects.entries()) {
    for (const [item, schedule] of project.schedules.entries()) {
      const path = ['projects', index, 'schedules', item];
      const mistake = cronMistake(schedule.cron);
      if (mistake !== undefined)
        problems.push({
          path: [...path, 'cron'],
          message: `expected a cron expression such as "0 3 * * *" (${mistake})`,
        });
      if (!isTimeZone(schedule.timezone)) problems.push({ path: [...path, 'timezone'], message: noTimeZone });
    }
  }
  return problems;
}

const noTimeZone = 'expected a time zone such as Europe/Berlin';

function cronMistake(expression: string): string | undefined {
  // The parser fills in missing fields; four fields are more likely a mistake than a wish.
  const fields = expression.trim().split(/\s+/).length;
  if (!expression.startsWith('@') && fields !== 5 && fields !== 6)
    return `it has ${fields} fields instead of five or six`;
  try {
    // An expression such as "0 0 30 2 *" is well-formed and never true.
    CronExpressionParser.parse(expression).next();
    return undefined;
  } catch (error: unknown) {
    return messageOf(error);
  }
}

function isTimeZone(name: string | undefined): boolean {
  if (name === undefined) return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}
