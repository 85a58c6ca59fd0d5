/** What an update may change, in the order of nats-server's configUpdateCheck. */
import { isDeepStrictEqual } from 'node:util'
import { JetStreamError } from '../jetstream-error.ts'
import type { StreamConfig } from './stream-config.ts'

/** The configuration that an update leads to. Throws 10052, 10055 or 10074. */
export function updatedConfig(old: StreamConfig, config: StreamConfig): StreamConfig {
  // nats-server checks the whole configuration again, with all that it implies.
  if (config.allow_msg_counter && config.allow_msg_ttl) {
    throw new JetStreamError(10052, 'counter stream cannot use message TTLs')
  }
  refuseReplicas(config)
  const found = RULES.find(([isBroken]) => isBroken(old, config))
  if (found !== undefined) throw new JetStreamError(10052, found[1])
  const isMirror = config.mirror !== undefined
  if (isMirror && !isDeepStrictEqual(config.mirror, old.mirror)) {
    throw new JetStreamError(10055)
  }
  const late = LATE_RULES.find(([isBroken]) => isBroken(old, config))
  if (late !== undefined) throw new JetStreamError(10052, late[1])
  if (!config.sealed) return config
  return {
    ...config,
    max_age: 0,
    discard: 'new',
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
  }
}

/** One server keeps one copy. Throws 10074. */
export function refuseReplicas({ num_replicas }: StreamConfig): void {
  if (num_replicas > 1) throw new JetStreamError(10074)
}

type Rule = readonly [
  isBroken: (old: StreamConfig, config: StreamConfig) => boolean,
  problem: string,
]

const NOT = 'stream configuration update can not'

const RULES: readonly Rule[] = [
  [(old, { name }) => name !== old.name, 'stream configuration name must match original'],
  [(old, { storage }) => storage !== old.storage, `${NOT} change storage type`],
  [
    (old, { retention }) =>
      retention !== old.retention && [retention, old.retention].includes('workqueue'),
    `${NOT} change retention policy to/from workqueue`,
  ],
  [(old, { sealed }) => old.sealed && !sealed, `${NOT} unseal a sealed stream`],
  [(old, config) => old.deny_delete && !config.deny_delete, `${NOT} cancel deny message deletes`],
  [(old, config) => old.deny_purge && !config.deny_purge, `${NOT} cancel deny purge`],
]

const LATE_RULES: readonly Rule[] = [
  [
    (old, config) => old.allow_msg_ttl && !config.allow_msg_ttl,
    'message TTL status can not be disabled',
  ],
  [
    (old, config) => old.allow_msg_counter !== config.allow_msg_counter,
    `${NOT} change message counter setting`,
  ],
  [
    (old, config) => old.allow_msg_schedules === true && !config.allow_msg_schedules,
    'message schedules can not be disabled',
  ],
  [(old, config) => old.persist_mode !== config.persist_mode, `${NOT} change persist mode`],
]
