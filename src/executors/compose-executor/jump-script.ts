import { quoteWord } from '../host-executor/quote-word.ts';

/** The script by which debug sessions get into the first container of a job (spec CI 3.6): it waits until that is there. */
export function jumpScript(container: string): string {
  const name = quoteWord(container);
  return `#!/bin/bash

cd /tmp

echo -n 'Waiting for the container to start up'
until docker exec -i ${name} true >/dev/null 2>&1; do
  sleep 3
  echo -n '.'
done
echo

if [ $# -eq 0 ]; then
  exec docker exec -ti ${name} bash --login
else
  exec docker exec -i ${name} "$@"
fi
`;
}
