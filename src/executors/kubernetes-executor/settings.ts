/** The options of `agent start` for jobs in pods (spec CI 1.4). */
export interface KubernetesSettings {
  /** Name of a ConfigMap that decorates pods; "" for none. */
  podSpec: string;
  /** Go's regular expressions; empty allows all. */
  allowedImages: readonly string[];
  labels: Readonly<Record<string, string>>;
  /** Seconds. */
  podStartTimeout: number;
  /** Of jobs without containers; "" for none. */
  defaultImage: string;
}
