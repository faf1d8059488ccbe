// Containers for the tests: an engine and the images; what the tests leave is swept, and the engine ended, when they have ended.
import { paint, say, step, StepError } from './console.mjs';
import { openEngine } from './docker-engine.mjs';
import { ensureImages } from './docker-images.mjs';

/**
 * Brings up an engine and begins to make the images, which goes on while the caller does other things. Where there can be none, one loud
 * line says why: whether that is more than a warning, the caller says.
 */
export async function openContainers() {
  say(paint('bold', 'Containers'));
  const engine = await stepOrWarning('engine', openEngine, ({ text }) => text);
  say();
  // Its failure is for `ready` to tell, and `close` waits for it, too.
  const making = engine ? Promise.allSettled([ensureImages()]) : Promise.resolve([]);
  return {
    /**
     * Waits for the images. Resolves with what is missing for tests with containers; `needsDocker` of the tests then leaves them out
     * instead of trying again.
     */
    async ready() {
      if (!engine) return missing('a Docker engine');
      const work = async () => {
        const [made] = await making;
        if (made.status === 'rejected') throw made.reason;
        return made.value;
      };
      const made = await stepOrWarning('images', work, (names) =>
        names.length > 0 ? `made ${names.join(', ')}` : 'up to date',
      );
      say();
      return made ? [] : missing('the images for containers');
    },
    /** To be called in any case. Resolves with the names of what the tests have left in an engine of ours. */
    async close() {
      await making;
      return engine ? engine.close() : [];
    },
  };
}

function missing(what) {
  process.env.TESTS_WITHOUT_CONTAINERS = `${what} could not be had`;
  return [what];
}

/** What `work` gives, or undefined where it cannot be done. */
async function stepOrWarning(name, work, describe) {
  const outcome = {};
  await step(name, async () => {
    try {
      outcome.value = await work();
      return describe(outcome.value);
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      const text = [error.message, error.log && `see ${error.log}`, error.hint].filter(Boolean).join('; ');
      return { text: `no tests with containers: ${text}`, warn: true };
    }
  });
  return outcome.value;
}
