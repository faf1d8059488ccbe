import { any, boolean, integer, intOrString, list, map, object, quantity, string } from './shape.ts';
import { kubeObject } from './shapes.ts';

/** The fields of a pod. What the stand-in only keeps (affinity, probes, …) is not looked into. */

const securityContext = object({
  runAsUser: integer,
  runAsGroup: integer,
  runAsNonRoot: boolean,
  fsGroup: integer,
  fsGroupChangePolicy: string,
  supplementalGroups: list(integer),
  privileged: boolean,
  readOnlyRootFilesystem: boolean,
  allowPrivilegeEscalation: boolean,
  procMount: string,
  capabilities: object({ add: list(string), drop: list(string) }),
  seccompProfile: any,
  seLinuxOptions: any,
  appArmorProfile: any,
  windowsOptions: any,
  sysctls: any,
});

const keyRef = object({ name: string, key: string, optional: boolean });
const nameRef = object({ name: string, optional: boolean });

const env = object({
  name: string,
  value: string,
  valueFrom: object({
    secretKeyRef: keyRef,
    configMapKeyRef: keyRef,
    fieldRef: object({ apiVersion: string, fieldPath: string }),
    resourceFieldRef: any,
  }),
});

const container = object({
  name: string,
  image: string,
  command: list(string),
  args: list(string),
  workingDir: string,
  ports: list(
    object({ name: string, containerPort: integer, hostPort: integer, hostIP: string, protocol: string }),
    'containerPort',
  ),
  env: list(env, 'name'),
  envFrom: list(object({ prefix: string, secretRef: nameRef, configMapRef: nameRef })),
  resources: object({ limits: map(quantity), requests: map(quantity), claims: any }),
  resizePolicy: any,
  restartPolicy: string,
  volumeMounts: list(
    object({
      name: string,
      mountPath: string,
      readOnly: boolean,
      recursiveReadOnly: string,
      subPath: string,
      subPathExpr: string,
      mountPropagation: string,
    }),
    'mountPath',
  ),
  volumeDevices: any,
  livenessProbe: any,
  readinessProbe: any,
  startupProbe: any,
  lifecycle: any,
  terminationMessagePath: string,
  terminationMessagePolicy: string,
  imagePullPolicy: string,
  securityContext,
  stdin: boolean,
  stdinOnce: boolean,
  tty: boolean,
});

const items = list(object({ key: string, path: string, mode: integer }));

const volume = object({
  name: string,
  secret: object({ secretName: string, items, defaultMode: integer, optional: boolean }),
  configMap: object({ name: string, items, defaultMode: integer, optional: boolean }),
  emptyDir: object({ medium: string, sizeLimit: quantity }),
  hostPath: object({ path: string, type: string }),
  projected: any,
  downwardAPI: any,
  persistentVolumeClaim: any,
  ephemeral: any,
  nfs: any,
  csi: any,
});

export const podShape = kubeObject({
  spec: object({
    containers: list(container, 'name'),
    initContainers: list(container, 'name'),
    ephemeralContainers: any,
    volumes: list(volume, 'name'),
    restartPolicy: string,
    terminationGracePeriodSeconds: integer,
    activeDeadlineSeconds: integer,
    dnsPolicy: string,
    dnsConfig: any,
    nodeSelector: map(string),
    nodeName: string,
    serviceAccountName: string,
    serviceAccount: string,
    automountServiceAccountToken: boolean,
    hostNetwork: boolean,
    hostPID: boolean,
    hostIPC: boolean,
    hostUsers: boolean,
    shareProcessNamespace: boolean,
    securityContext,
    imagePullSecrets: list(object({ name: string }), 'name'),
    hostname: string,
    subdomain: string,
    setHostnameAsFQDN: boolean,
    affinity: any,
    schedulerName: string,
    schedulingGates: any,
    tolerations: list(
      object({ key: string, operator: string, value: string, effect: string, tolerationSeconds: intOrString }),
    ),
    hostAliases: list(object({ ip: string, hostnames: list(string) }), 'ip'),
    priorityClassName: string,
    priority: integer,
    preemptionPolicy: string,
    readinessGates: any,
    runtimeClassName: string,
    enableServiceLinks: boolean,
    overhead: map(quantity),
    topologySpreadConstraints: any,
    os: any,
    resources: any,
    resourceClaims: any,
  }),
  status: any,
});
