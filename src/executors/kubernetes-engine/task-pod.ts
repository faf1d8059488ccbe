import type { KubernetesExecutorConfig } from '../../config/index.ts';
import { idle, labels } from '../containers/task-container.ts';
import type { ContainerRole, ContainersRequest } from '../containers/engine.ts';
import type { ContainerSpec, Pod } from '../kubernetes/index.ts';

/** Room for keys, passwords, variables, in memory. */
const secretsSize = '64Mi';
/** The user database of a container as an annotation, by way of a volume. */
const passwdAnnotation = (role: ContainerRole): string => `semaphoreui.com/passwd-${role}`;

/** What the containers of a pod have to be made with, beside their images. */
export interface PodUsers {
  /** Of the helper, so that both own the workspace: the user of the build image. Undefined: not known yet, that of its own image. */
  helper: { uid: number; gid: number } | undefined;
  /** A text for /etc/passwd where the image has no line for its user, whom ssh would not run for. */
  passwd: Partial<Record<ContainerRole, string>>;
}

export interface TaskPodPlan {
  request: ContainersRequest;
  config: KubernetesExecutorConfig;
  /** Value of the runner's label. */
  owner: string;
  users: PodUsers;
}

/** The pod of a task (spec 6.3). There is nothing secret in it, and no Secret beside it: secrets go through exec. */
export function taskPod({ request, config, owner, users }: TaskPodPlan): Pod {
  const { name, taskId } = request;
  const { cleanupGraceMs, helperImage, image, pullSecrets, serviceAccount } = config;
  const roles = Object.entries(users.passwd);
  return {
    metadata: {
      name,
      labels: { [labels.taskId]: String(taskId), [labels.runner]: owner, [labels.name]: name },
      annotations: {
        // To make room elsewhere is no reason to end a task.
        'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
        'kubectl.kubernetes.io/default-container': 'build',
        ...Object.fromEntries(roles.map(([role, text]) => [passwdAnnotation(asRole(role)), text])),
      },
    },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: serviceAccount,
      // Of an account that was chosen for tasks, the account itself says.
      ...(serviceAccount === 'default' && { automountServiceAccountToken: false }),
      ...(pullSecrets.length > 0 && { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) }),
      terminationGracePeriodSeconds: graceSeconds(cleanupGraceMs),
      enableServiceLinks: false,
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container('helper', helperImage, users), container('build', request.image ?? image, users)],
      volumes: [
        { name: 'workspace', emptyDir: {} },
        { name: 'secrets', emptyDir: { medium: 'Memory', sizeLimit: secretsSize } },
        ...roles.map(([role]) => ({
          name: `passwd-${role}`,
          downwardAPI: {
            items: [
              { path: 'passwd', fieldRef: { fieldPath: `metadata.annotations['${passwdAnnotation(asRole(role))}']` } },
            ],
          },
        })),
      ],
    },
  };
}

/** Zero would take the pod from the list at once, whatever still runs of it. */
export function graceSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function container(role: ContainerRole, image: string, { helper, passwd }: PodUsers): ContainerSpec {
  const own =
    passwd[role] === undefined ? [] : [{ name: `passwd-${role}`, mountPath: '/etc/passwd', subPath: 'passwd' }];
  return {
    name: role,
    image,
    // What the image says it is to run is not run.
    command: ['/bin/sh', '-c', idle, 'semaphore-idle'],
    ...(role === 'helper' && helper && { securityContext: { runAsUser: helper.uid, runAsGroup: helper.gid } }),
    volumeMounts: [{ name: 'workspace', mountPath: '/workspace' }, { name: 'secrets', mountPath: '/secrets' }, ...own],
  };
}

function asRole(text: string): ContainerRole {
  return text === 'helper' ? 'helper' : 'build';
}
