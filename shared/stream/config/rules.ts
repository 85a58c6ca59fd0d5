/** What a server and an account allow, beyond what any configuration has to keep to. */
import type { StreamConfig } from './stream-config.ts'

export interface StreamRules {
  /** Of `jetstream { limits { duplicate_window } }`; 0 for none. */
  readonly duplicateWindowMaxNs: number
  /** Whether a stream must say `max_bytes`, and the most that it may say; 0 for no limit. */
  maxBytes(
    storage: StreamConfig['storage'],
    replicas: number,
  ): { readonly isRequired: boolean; readonly most: number }
  /** Another stream of the account. */
  stream(name: string): StreamConfig | undefined
}

export interface ConsumerRules {
  /** Of the server, 0 for none. */
  readonly ackPendingMax: number
  /** Of the account, 0 or less for none. */
  readonly accountAckPendingMax: number
  /** Of the server, 0 for none. */
  readonly requestBatchMax: number
}

export const NO_STREAM_RULES: StreamRules = {
  duplicateWindowMaxNs: 0,
  maxBytes: () => ({ isRequired: false, most: 0 }),
  stream: () => undefined,
}

export const NO_CONSUMER_RULES: ConsumerRules = {
  ackPendingMax: 0,
  accountAckPendingMax: 0,
  requestBatchMax: 0,
}
