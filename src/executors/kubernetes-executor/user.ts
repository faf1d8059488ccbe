import type { ContainerSpec } from '../kubernetes/index.ts';
import type { JobContainer } from './build-pod.ts';

/**
 * `user` of a container of a job: a number, or user and group as numbers with a colon between. Kubernetes takes no names but that of root;
 * with another one the container runs as its image wants it, and a remark says so.
 */
export function securityOf(
  { name, user }: JobContainer,
  { securityContext = {} }: Partial<ContainerSpec>,
  remarks: string[],
): Pick<ContainerSpec, 'securityContext'> {
  if (user === '') return {};
  const [, uid, gid] = /^(\d+|root)(?::(\d+|root))?$/.exec(user) ?? [];
  if (uid === undefined) {
    remarks.push(
      `Container '${name}' runs as the user of its image: Kubernetes knows no users by name ('${user}'), only by number.`,
    );
    return {};
  }
  const ids = { runAsUser: numberOf(uid), ...(gid !== undefined && { runAsGroup: numberOf(gid) }) };
  return { securityContext: Object.assign({}, securityContext, ids) };
}

function numberOf(id: string): number {
  return id === 'root' ? 0 : Number(id);
}
