import type * as library from '@kubernetes/client-node';
import { codeOf, UserError } from '../../lib/index.ts';

export type KubernetesLibrary = typeof library;

/**
 * Loads the package that knows kubeconfig files and ways to log in. It is optional and large, so only users of Kubernetes pay for it.
 * Throws UserError when it is not installed.
 */
export async function loadKubernetesLibrary(
  load: () => Promise<KubernetesLibrary> = () => import('@kubernetes/client-node'),
): Promise<KubernetesLibrary> {
  try {
    return await load();
  } catch (error: unknown) {
    const code = codeOf(error);
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new UserError('the package @kubernetes/client-node is not installed; without it Kubernetes cannot be used', {
      hint: 'Install it where semaphore is installed, without --omit=optional: npm install @kubernetes/client-node@1.4.0',
      cause: error,
    });
  }
}
