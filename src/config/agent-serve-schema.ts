import * as z from 'zod';
import { flag, textList, whole } from './meta.ts';

/** The options of `agent serve` are flags alone. */
const noEnv = 'a flag only';

function text(byDefault: string, description: string, more: { sensitive?: true; example?: string } = {}) {
  return z
    .string()
    .default(byDefault)
    .meta({ description, noEnv, ...more });
}

/** The options of `agent serve` (spec CI 1.8), by their flag. */
export const agentServeSchema = z.object({
  'auth-token-secret': text('', 'Secret that tokens (JWT, HMAC) are signed with: the bytes of this text. Mandatory.', {
    sensitive: true,
  }),
  port: whole({ min: 0, max: 65_535, byDefault: 8000 }, { description: 'Port to listen on; 0 for a free one.', noEnv }),
  host: text('0.0.0.0', 'Address to listen on.'),
  'tls-cert-path': text('server.crt', 'PEM file with the certificate.'),
  'tls-key-path': text('server.key', 'PEM file with the key of the certificate.'),
  'self-signed': flag(false, {
    description:
      'When neither file is there, make a certificate for this run, for use on this machine; its fingerprint is told.',
    noEnv,
    own: true,
  }),
  'statsd-host': text('', 'Host of a StatsD; metrics are sent when this and `statsd-port` are given.'),
  'statsd-port': text('', 'Port of the StatsD.'),
  'statsd-namespace': text('agent.prod', 'First part of the names of metrics.'),
  'callback-retry-attempts': whole(
    { min: 0, max: 1_000_000, byDefault: 300 },
    { description: 'Attempts for each callback, a second apart; 0 stands for 300.', noEnv },
  ),
  'pre-job-hook-path': text(
    '',
    "Script that is sourced in the job's shell before its commands; its failure fails the job.",
  ),
  files: textList({
    description: '`hostpath:containerpath`, mounted into the main container (Docker only); missing ones are left out.',
    noEnv,
  }),
  'expose-kvm-device': flag(true, { description: 'Give `/dev/kvm` to every container (Docker only).', noEnv }),
  'mask-job-secrets': flag(false, {
    description: "Replace the values of the job's variables and the lines of its files with `***` in the job log.",
    noEnv,
    own: true,
  }),
});
